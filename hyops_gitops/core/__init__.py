"""Values that all subjects share: names, zones, contracts, guards, errors, and the ports to the outside."""
