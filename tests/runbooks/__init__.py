"""docs/runbooks, command by command."""
