"""This machine, this process, this job: clock, programs, credentials."""
