"""From files to a verified log: the numbered checks of log and segments, and the pages derived from them."""
