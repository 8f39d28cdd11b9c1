"""Git adapters against real repositories; a package, so that its conftest has a name of its own."""
