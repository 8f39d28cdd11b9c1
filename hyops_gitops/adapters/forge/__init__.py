"""Forges: REST APIs, branch protection, command-line programs."""
