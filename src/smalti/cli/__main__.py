"""`python -m smalti.cli` is the command `smalti`."""

if __name__ == "__main__":  # spawned workers import this module under another name
    from smalti_command import main

    main()
