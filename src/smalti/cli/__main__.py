"""`python -m smalti.cli` is the command `smalti`."""

from . import main

main()
