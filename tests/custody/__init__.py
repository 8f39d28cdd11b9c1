"""What is said about the log itself: keys, gaps, copies, hand-over. Real Git, real keys."""
