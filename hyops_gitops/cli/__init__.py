"""The command line: parse, call one function, print, exit. Nothing else prints."""
