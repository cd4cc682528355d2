"""`python -m pprl` is `pprl`."""

from pprl.cli import main

main(prog_name="pprl")
