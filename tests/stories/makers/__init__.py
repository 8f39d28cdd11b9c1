"""Servers of other makers beside PowerDNS."""
