"""One change beside the peers: ours, octoDNS, DNSControl and a floor, as whole processes on one lab."""
