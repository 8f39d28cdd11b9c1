"""The pure core: examples and properties."""
