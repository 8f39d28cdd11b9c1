"""Restore, repair, bundle, break-glass and reconcile."""
