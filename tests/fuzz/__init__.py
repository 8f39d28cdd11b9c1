"""Bytes from outside: one target for each parser, its corpus, and faults planted into copies of the parsers."""
