"""DNS servers, and the services behind the names."""
