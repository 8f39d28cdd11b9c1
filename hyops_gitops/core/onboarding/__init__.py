"""A new repository for a zone, from nothing or from what the zone holds."""
