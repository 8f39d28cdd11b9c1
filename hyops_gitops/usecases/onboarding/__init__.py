"""Making a repository for a zone."""
