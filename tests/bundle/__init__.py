"""The bundle, and folders without git."""
