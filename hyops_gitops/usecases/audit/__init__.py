"""The audit, part by part."""
