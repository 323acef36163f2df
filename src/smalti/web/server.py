"""Server: the socket, the token, the browser, and an orderly end.

    options -> [Site.run] -> http://127.0.0.1:8377/#t=...

The token travels in the fragment of the address, which browsers send to nobody: it is
in no log, no history of requests and no Referer. When the server ends, by Ctrl-C, by a
signal or by a fault, no process is left behind.
"""

import asyncio
import contextlib
import logging
import secrets
import socket
import threading
from collections.abc import Callable, Iterable, Sequence
from typing import Any

import uvicorn
from uvicorn.protocols.http.h11_impl import H11Protocol

from ..errors import BadOption, SmaltiError
from ..sources import read_source, shown
from .app import Engine, build
from .guard import Bounds, Guard, names_of
from .images import clean_name
from .jobs import Patience

__all__ = ["PORT", "Site", "bound", "is_loopback", "open_browser"]

PORT = 8377
TRIES = 20  # ports after the usual one, before any that is free
HEAD_SECONDS = 20.0
"""Until the head of a request must be there."""
CONNECTIONS = 512
MAPPED = 2**20
"""Bytes from which on memory is asked of the system piece by piece."""
LOOPBACK = ("127.0.0.1", "localhost", "::1")


class Protocol(H11Protocol):
    """HTTP/1.1 as uvicorn speaks it, to clients that are not slow on purpose."""

    _clock: asyncio.TimerHandle | None = None

    def connection_made(self, transport: Any) -> None:
        super().connection_made(transport)
        self._expect()

    def data_received(self, data: bytes) -> None:
        super().data_received(data)
        if self.cycle is None or self.cycle.response_complete:
            self._expect()
        else:
            self._forget()

    def connection_lost(self, exc: Exception | None) -> None:
        self._forget()
        super().connection_lost(exc)

    def _expect(self) -> None:
        if self._clock is None:
            self._clock = self.loop.call_later(HEAD_SECONDS, self.transport.close)

    def _forget(self) -> None:
        if self._clock is not None:
            self._clock.cancel()
            self._clock = None


class _Server(uvicorn.Server):
    """uvicorn, which says when it is there and ends all jobs before it waits for streams."""

    def __init__(self, config: uvicorn.Config, engine: Engine, ready: Callable[[], None]) -> None:
        super().__init__(config)
        self._engine, self._ready = engine, ready

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        self._ready()

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        await self._engine.close()
        await super().shutdown(sockets)


def is_loopback(host: str) -> bool:
    """Whether only this computer can reach `host`."""
    return host in LOOPBACK


def bound(host: str, port: int | None) -> socket.socket:
    """Return a socket that is bound to `port`, or to the first free one from the usual one on.

    Raises
    ------
    BadOption : the port is taken, or the host is no address of this computer.
    """
    ports = range(PORT, PORT + TRIES) if port is None else [port]
    failure: OSError | None = None
    for number in [*ports, *([0] if port is None else [])]:
        try:
            return _bound(host, number)
        except OSError as error:
            failure = error
    assert failure is not None
    if port is None:
        raise BadOption(f"--host {host}: {failure.strerror or failure}") from failure
    raise BadOption(
        f"--port {port}: {failure.strerror or failure}; without --port a free one is taken"
    ) from failure


def _bound(host: str, port: int) -> socket.socket:
    family, _, _, _, address = socket.getaddrinfo(
        host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
    )[0]
    listener = socket.socket(family, socket.SOCK_STREAM)
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind(address)
        listener.listen(128)
    except BaseException:
        listener.close()
        raise
    return listener


class Site:
    """A server that listens, and what is needed to reach it.

    Parameters
    ----------
    files : to open at the start
    host, port : where to listen; see `bound`
    allow_hosts : further values of the header `Host`
    on_ready : called with the address to open, once it answers
    on_bad_file : called with a sentence about each file that cannot be opened
    on_bug : called with exceptions that nobody expected
    bounds, patience : other limits than the usual ones

    Raises
    ------
    BadOption : the port or the host.
    """

    def __init__(
        self,
        files: Sequence[str] = (),
        *,
        host: str = "127.0.0.1",
        port: int | None = None,
        allow_hosts: Iterable[str] = (),
        on_ready: Callable[[str], None] = lambda url: None,
        on_bad_file: Callable[[str], None] = lambda message: None,
        on_bug: Callable[[Exception], None] | None = None,
        bounds: Bounds | None = None,
        patience: Patience | None = None,
    ) -> None:
        self._listener = bound(host, port)
        self.port: int = self._listener.getsockname()[1]
        self.token = secrets.token_urlsafe(24)
        name = f"[{host}]" if ":" in host else host
        self.url = f"http://{name}:{self.port}/#t={self.token}"
        self.engine = Engine(bounds, patience)
        self._files, self._on_ready, self._on_bad_file = files, on_ready, on_bad_file
        guard = Guard(
            build(self.engine), names_of(self.port, allow_hosts), self.token, bounds, on_bug
        )
        config = uvicorn.Config(
            guard, http=Protocol, ws="none", loop="asyncio", lifespan="off", log_config=None,
            access_log=False, server_header=False, date_header=False, proxy_headers=False,
            limit_concurrency=CONNECTIONS, timeout_graceful_shutdown=1, backlog=128,
        )  # fmt: skip
        self._server = _Server(config, self.engine, self._begin)

    def run(self) -> None:
        """Serve until a signal comes, or `stop` is called."""
        # What goes wrong is told by `on_bug`; uvicorn's own lines would say it twice.
        logging.getLogger("uvicorn").setLevel(logging.CRITICAL + 1)
        _give_memory_back()
        with contextlib.closing(self._listener):
            self._server.run(sockets=[self._listener])

    def stop(self) -> None:
        """Make `run`, in another thread, come to its end."""
        self._server.should_exit = True

    def _begin(self) -> None:
        self.engine.loading = asyncio.ensure_future(
            _load(self.engine, self._files, self._on_bad_file)
        )
        self._on_ready(self.url)


def _give_memory_back() -> None:
    """Make the C library return what pictures took as soon as they are gone.

    Left to itself, glibc learns from arrays of some megabytes to keep such pieces for later: after
    a hundred uploads to two threads it keeps half a gigabyte. -3 is M_MMAP_THRESHOLD of mallopt(3),
    which puts an end to the learning, too.
    """
    import ctypes

    with contextlib.suppress(AttributeError, OSError, TypeError):  # no glibc
        ctypes.CDLL(None).mallopt(-3, MAPPED)


async def _load(engine: Engine, files: Sequence[str], on_bad: Callable[[str], None]) -> None:
    for path in files:
        try:
            data, name = await engine.images.run(read_source, path, engine.bounds.file_bytes)
            await engine.images.add(clean_name(name.replace("%", "%25")), data)
        except SmaltiError as error:
            message = str(error).removeprefix(f"{shown(path)}: ")
            named = not path or message.startswith(f"{shown(path)} ")
            on_bad(
                message if named else f"{shown(path)}: {message.removeprefix('the image data: ')}"
            )


def open_browser(url: str) -> None:
    """Show the page, without waiting for the browser or minding that there is none."""
    import webbrowser

    def show() -> None:
        with contextlib.suppress(Exception):
            webbrowser.open(url)

    threading.Thread(target=show, daemon=True).start()
