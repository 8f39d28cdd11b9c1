"""What the log tells about a name or a key: its changes, its last move, its hold."""
