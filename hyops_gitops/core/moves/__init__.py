"""Which endpoints move where, and the commit that says so."""
