"""Looking at what is served: status and drift."""
