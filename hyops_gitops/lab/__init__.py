"""A real local authority for demo, drill and tests."""
