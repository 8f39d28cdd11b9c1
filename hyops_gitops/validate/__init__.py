"""From a tree of files to findings, or to contracts."""
