"""The command line: parse, wire, call one use-case, render, exit. The only layer that prints."""
