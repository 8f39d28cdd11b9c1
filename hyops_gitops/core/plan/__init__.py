"""What an apply would do: managed set, limits, the three-way plan, readiness, and what refuses it."""
