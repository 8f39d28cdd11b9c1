"""Everything that a first apply needs, tried without writing."""
