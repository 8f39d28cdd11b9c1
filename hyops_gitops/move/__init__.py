"""Cutover, failover and failback; publish and fmt: edits of contracts."""
