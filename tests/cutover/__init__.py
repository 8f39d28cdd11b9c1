"""Cutovers: readiness, proof through the name, roll-back, holds."""
