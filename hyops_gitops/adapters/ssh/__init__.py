"""OpenSSH: signing and verifying."""
