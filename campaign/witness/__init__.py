"""A witness of what a zone went through; it knows nothing of the program whose log it compares with."""
