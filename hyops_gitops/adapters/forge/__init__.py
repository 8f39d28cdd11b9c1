"""Forges: their REST APIs, their protections, and the programs that speak to them."""
