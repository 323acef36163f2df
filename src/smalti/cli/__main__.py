"""`python -m smalti.cli` is the command `smalti`."""

from . import main

if __name__ == "__main__":  # spawned workers import this module under another name
    main()
