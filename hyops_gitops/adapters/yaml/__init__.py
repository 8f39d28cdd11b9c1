"""YAML in and out, and its form against our schemas."""
