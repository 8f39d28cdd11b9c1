"""Cross-checks log, contracts, approvals and the served zone."""
