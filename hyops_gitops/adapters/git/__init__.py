"""Git, through its plumbing commands."""
