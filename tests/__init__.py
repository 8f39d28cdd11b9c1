"""The suite; `tests.support.world` is the helper that several parts of it share."""
