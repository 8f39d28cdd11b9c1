"""Appliers that die, sleep, race, or live in strange surroundings."""
