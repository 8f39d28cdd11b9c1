"""SSH signatures, and the file of those who may sign."""
