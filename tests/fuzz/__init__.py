"""Fuzzing of every reader of bytes from outside: docs/testing.md says how it is run."""
