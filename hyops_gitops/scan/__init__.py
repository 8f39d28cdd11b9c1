"""Search the files of applications for addresses that names stand for."""
