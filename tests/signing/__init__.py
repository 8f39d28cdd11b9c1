"""Signing and verifying against the real ssh-keygen; a package, so that its conftest has a name of its own."""
