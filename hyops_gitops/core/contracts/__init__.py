"""Endpoint contracts and the authority they belong to, as values; what makes and changes them."""
