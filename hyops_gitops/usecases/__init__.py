"""The verbs: take ports and a callback for events, return values, print nothing."""
