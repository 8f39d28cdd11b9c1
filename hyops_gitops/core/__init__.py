"""Values that all subjects share, and the ports to the outside."""
