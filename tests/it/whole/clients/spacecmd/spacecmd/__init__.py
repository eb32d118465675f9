"""A stand-in for spacecmd with just what its modules need."""
