"""Histories with faults at random, judged by a witness of what the zone went through."""
