"""A small local identity provider to try things on; imported by nothing but the command line."""
