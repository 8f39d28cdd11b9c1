"""Values and events to text, JSON and other forms. Pure."""
