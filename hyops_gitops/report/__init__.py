"""The web report: a verified log as pages. Pure."""
