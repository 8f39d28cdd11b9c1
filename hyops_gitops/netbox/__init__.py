"""Contracts beside NetBox: what both say, and drafts. Never an authority; docs/adr/0073."""
