"""Races of our own updates inside one zone, judged by the rows that the database holds afterwards."""
