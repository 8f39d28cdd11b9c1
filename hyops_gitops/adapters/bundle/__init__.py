"""Bundles and unpacked folders: no git, no network."""
