"""From a commit, the log and the primary to a plan."""
