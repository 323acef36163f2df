"""`smalti verify`: to be written."""

import click

__all__ = ["verify"]


@click.command()
def verify() -> int:
    """To be written."""
    raise click.UsageError("not written yet")
