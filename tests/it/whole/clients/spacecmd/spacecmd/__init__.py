"""A stand-in for spacecmd: what its modules find there, and no more."""
