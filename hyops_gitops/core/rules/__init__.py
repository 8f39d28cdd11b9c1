"""Validation rules: pure functions from drafts and documents to findings, and the catalogue that explains each rule."""
