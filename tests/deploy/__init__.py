"""Deploying the authority: compose files and the proxy before the API."""
