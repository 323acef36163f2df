"""The flags of `smalti web`, and their translation into one server."""

import sys
from typing import Any

import click

from ..errors import BadOption, MissingExtra

__all__ = ["web"]

MISSING = ("starlette", "uvicorn", "anyio", "h11")


@click.command(
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
    epilog="Exit codes: 2 usage, the port is taken, or the extra is not installed; 130 and 143 "
    "interrupted, which is how it ends.",
)
@click.argument("files", nargs=-1, metavar="[FILE]...")
@click.option(
    "--port",
    type=click.IntRange(0, 65535),
    metavar="N",
    help="Port to listen on; 0 for any free one (default: 8377, or the next free one).",
)
@click.option(
    "--host",
    default="127.0.0.1",
    show_default=True,
    metavar="ADDRESS",
    help="Address to listen on. Any other than this computer's own needs --allow-host.",
)
@click.option(
    "--allow-host",
    "allow_hosts",
    multiple=True,
    metavar="NAME[:PORT]",
    help="Answer to this name, too; may be given several times.",
)
@click.option("--no-open", is_flag=True, help="Open no browser; only print the address.")
@click.option("--debug", is_flag=True, help="Print the traceback of errors.")
def web(**given: Any) -> None:
    """See, choose and take palette images in the browser: a page served by this computer alone.

    FILES are opened at the start. Nothing leaves this computer, and nothing is written to disk.
    The address that is printed holds a key: whoever has it can use the page.
    """
    try:
        from . import server
    except ImportError as error:
        if (error.name or "").split(".")[0] not in MISSING:
            raise
        raise MissingExtra(
            "the web app needs starlette and uvicorn: pip install '.[web]'"
        ) from error
    if not server.is_loopback(given["host"]) and not given["allow_hosts"]:
        raise BadOption(
            f"--host {given['host']} lets other computers in; --allow-host says by which name "
            "they call this one"
        )

    def ready(url: str) -> None:
        click.echo(url)
        if sys.stderr.isatty():
            click.echo("Open this address in a browser on this computer; Ctrl-C ends it.", err=True)
        if not given["no_open"]:
            server.open_browser(url)

    server.Site(
        given["files"],
        host=given["host"],
        port=given["port"],
        allow_hosts=given["allow_hosts"],
        on_ready=ready,
        on_bad_file=_complain,
        on_bug=_trace if given["debug"] else _blame,
    ).run()


def _complain(message: str) -> None:
    click.echo(f"smalti: {' '.join(message.split())}", err=True)


def _blame(error: Exception) -> None:
    _complain(f"a bug in smalti: {type(error).__name__}: {error}; --debug shows where")


def _trace(error: Exception) -> None:
    import traceback

    click.echo("".join(traceback.format_exception(error)).rstrip(), err=True)
    _blame(error)
