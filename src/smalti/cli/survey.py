"""`smalti survey`: to be written."""

import click

__all__ = ["survey"]


@click.command()
def survey() -> int:
    """To be written."""
    raise click.UsageError("not written yet")
