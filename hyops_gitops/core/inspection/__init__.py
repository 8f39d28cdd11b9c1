"""What `status`, `drift` and `doctor` found."""
