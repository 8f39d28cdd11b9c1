"""The suite; `tests.world` is the helper that several parts of it share."""
