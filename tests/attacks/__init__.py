"""Attacks on the protocol, each with the check that stops it: `registry` runs them, `every` lists them."""
