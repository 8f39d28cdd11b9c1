"""Commands that move endpoints: publish, cutover, failover and the drill."""
