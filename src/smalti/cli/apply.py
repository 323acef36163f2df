"""`smalti apply`: to be written."""

import click

__all__ = ["apply"]


@click.command()
def apply() -> int:
    """To be written."""
    raise click.UsageError("not written yet")
