"""The apply procedure, step by step: docs/apply.md."""
