"""`smalti batch`: to be written."""

import click

__all__ = ["batch"]


@click.command()
def batch() -> int:
    """To be written."""
    raise click.UsageError("not written yet")
