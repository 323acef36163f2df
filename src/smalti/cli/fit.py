"""`smalti fit`: to be written."""

import click

__all__ = ["fit"]


@click.command()
def fit() -> int:
    """To be written."""
    raise click.UsageError("not written yet")
