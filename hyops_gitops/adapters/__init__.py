"""One module per outside thing; each raises only our errors and meets the ports structurally."""
