"""Changes while the log cannot be reached: the bundle, the segment, and bringing it back."""
