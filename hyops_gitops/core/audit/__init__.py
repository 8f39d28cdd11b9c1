"""What an audit checks beyond the log itself, and what it lists."""
