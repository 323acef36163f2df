"""Guard: what stands before the app and answers what must not get through.

    socket -> [Guard] -> app

Any page in any browser can send requests to this computer, so being local is no
protection. The Host must be exactly ours, or a name that an attacker's DNS turned
to 127.0.0.1 would make his page same-origin with us (DNS rebinding); requests that
other sites start are refused by what browsers say about them; and whatever touches
data needs the token that only the one who started the server was told.

It is plain ASGI and sits outside the framework, so that nothing that the framework
answers by itself (redirects, errors, files) goes out without the headers below.
Bodies are read here, too, whole and within bounds of size and time, before any
handler runs: a handler never waits for a slow client.
"""

import asyncio
import contextlib
import hmac
import json
from collections.abc import Awaitable, Callable, Iterable, MutableMapping
from dataclasses import dataclass
from typing import Any

__all__ = ["Bounds", "Guard", "names_of"]

Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]

POLICY = "; ".join(
    [
        "default-src 'none'",
        "script-src 'self'",
        "style-src 'self'",
        "img-src 'self' blob: data:",
        "connect-src 'self'",
        "worker-src 'self'",
        "form-action 'none'",
        "frame-ancestors 'none'",
        "base-uri 'none'",
    ]
)
"""Content Security Policy, https://www.w3.org/TR/CSP3/: own files only, and no inline code."""

HEADERS = (
    (b"content-security-policy", POLICY.encode()),
    (b"x-content-type-options", b"nosniff"),
    (b"cross-origin-opener-policy", b"same-origin"),
    (b"cross-origin-resource-policy", b"same-origin"),
    (b"referrer-policy", b"no-referrer"),
    (b"permissions-policy", b"camera=(), geolocation=(), microphone=()"),
)

METHODS = ("GET", "HEAD", "POST", "DELETE")
API = "/api/"
UPLOADS = "/api/images"  # the one address that takes files
RETRY_SECONDS = b"2"
LINGER = 1.0
"""Seconds without a byte after which a refused upload is taken to have ended."""


@dataclass(frozen=True)
class Bounds:
    """How much, how long and how many: sizes in bytes, times in seconds."""

    file_bytes: int = 64 * 2**20
    other_bytes: int = 2**20
    """Of JSON and palette files."""
    held_bytes: int = 256 * 2**20
    """Of all bodies that are being received; whoever comes later waits for room."""
    stall: float = 20
    """Without a byte arriving."""
    total: float = 120
    """Until a body must be there."""
    requests: int = 256
    """At once; more are asked to come back."""


class _Refused(Exception):
    """The answer to a request that goes no further."""

    def __init__(self, status: int, kind: str, message: str) -> None:
        super().__init__(message)
        self.status, self.kind = status, kind


class _Gone(Exception):
    """The client closed the connection before its request was complete."""


class _Room:
    """Bytes that may be held at once; requests wait for theirs in turn."""

    def __init__(self, size: int) -> None:
        self._free = size
        self._changed = asyncio.Condition()

    async def take(self, size: int) -> None:
        async with self._changed:
            await self._changed.wait_for(lambda: self._free >= size)
            self._free -= size

    async def give(self, size: int) -> None:
        async with self._changed:
            self._free += size
            self._changed.notify_all()


def names_of(port: int, extra: Iterable[str] = ()) -> frozenset[str]:
    """Return the values of `Host` that mean this server, in lower case.

    A name of `extra` without a port stands for it with `port`; of the default port of HTTP,
    browsers send none.

    >>> sorted(names_of(8377, ["paint.example"]))
    ['127.0.0.1:8377', '[::1]:8377', 'localhost:8377', 'paint.example:8377']
    """
    given = [name.lower() for name in extra]
    full = {name if _has_port(name) else f"{name}:{port}" for name in given}
    full |= {f"{name}:{port}" for name in ("127.0.0.1", "localhost", "[::1]")}
    return frozenset(full | {name.removesuffix(":80") for name in full if name.endswith(":80")})


def _has_port(name: str) -> bool:
    host, colon, port = name.rpartition(":")
    return bool(colon and host) and port.isdigit() and (":" not in host or host.endswith("]"))


class Guard:
    """An ASGI app that answers what it refuses, and hands on the rest.

    Parameters
    ----------
    app : what is guarded
    hosts : the values of `Host` that are ours, as `names_of` gives them
    token : what `X-Token` must be for everything below /api
    bounds : Bounds
    on_bug : called with an exception that no handler expected
    """

    def __init__(
        self,
        app: Any,
        hosts: frozenset[str],
        token: str,
        bounds: Bounds | None = None,
        on_bug: Callable[[Exception], None] | None = None,
    ) -> None:
        self._app, self._hosts, self._token = app, hosts, token.encode()
        self._bounds = bounds or Bounds()
        self._on_bug = on_bug
        self._room = _Room(self._bounds.held_bytes)
        self._open = 0

    async def __call__(self, scope: Message, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            return
        send = _Sender(send, scope)
        self._open += 1
        try:
            if self._open > self._bounds.requests:
                raise _Refused(503, "Busy", "too many requests at once; try again in a moment")
            self._check(scope)
            await self._pass_on(scope, receive, send)
        except _Refused as refusal:
            await _answer(send, refusal.status, refusal.kind, str(refusal))
            if refusal.status == 413:
                await self._drain(receive)
            await send({"type": "http.response.body"})
        except _Gone:
            pass
        except Exception as error:
            if self._on_bug:
                self._on_bug(error)
            if not send.started:
                words = f"a bug in smalti: {type(error).__name__}: {error}"
                await _answer(send, 500, "Bug", words)
                await send({"type": "http.response.body"})
        finally:
            self._open -= 1

    # ------------------------------------------------------------ who asks

    def _check(self, scope: Message) -> None:
        """Refuse what comes from elsewhere, or in a form that no browser sends."""
        host = _only(scope, b"host")
        if host is None or host.lower() not in self._hosts:
            raise _Refused(421, "WrongHost", "this server answers only to its own address")
        path = scope["path"]
        if not path.startswith("/") or scope["raw_path"][:1] != b"/":
            raise _Refused(400, "BadRequest", "a request names a path, not a whole address")
        if scope["method"] not in METHODS:
            raise _Refused(405, "BadRequest", f"{', '.join(METHODS)} are answered, no others")
        if _all(scope, b"sec-fetch-site") not in ([], ["same-origin"], ["none"]):
            raise _Refused(403, "WrongOrigin", "requests of other sites are not answered")
        origins = _all(scope, b"origin")
        if origins not in ([], [f"http://{host}"], [f"https://{host}"]):
            raise _Refused(403, "WrongOrigin", "requests of other sites are not answered")
        if path.startswith(API) or path == API.rstrip("/"):
            token = (_only(scope, b"x-token") or "").encode("latin-1")
            if not hmac.compare_digest(token, self._token):
                raise _Refused(
                    403, "NoToken", "the token is missing or old; open the link in the terminal"
                )

    # ------------------------------------------------------------ bodies

    async def _pass_on(self, scope: Message, receive: Receive, send: Send) -> None:
        """Read the body, and call the app with it."""
        room = self._expected(scope)
        if not room:
            await self._app(scope, receive, send)
            return
        try:
            async with asyncio.timeout(self._bounds.total):
                await self._room.take(room)
        except TimeoutError:
            raise _Refused(503, "Busy", "too many uploads at once; try again") from None
        try:
            body = await self._body(receive, room)
            await self._app(scope, _after(body, receive), send)
        finally:
            await self._room.give(room)

    def _expected(self, scope: Message) -> int:
        """Return how many bytes the body may have; 0 where there is none."""
        uploads = scope["path"] == UPLOADS
        limit = self._bounds.file_bytes if uploads else self._bounds.other_bytes
        if _all(scope, b"transfer-encoding"):
            return limit
        length = _only(scope, b"content-length")
        if length is None:
            return 0
        if int(length) > limit:  # digits: h11 has seen to that
            raise self._too_large(limit)
        return int(length)

    async def _body(self, receive: Receive, limit: int) -> bytes:
        parts, size = [], 0
        try:
            async with asyncio.timeout(self._bounds.total):
                while True:
                    async with asyncio.timeout(self._bounds.stall):
                        message = await receive()
                    if message["type"] == "http.disconnect":
                        raise _Gone
                    part = message.get("body", b"")
                    size += len(part)
                    if size > limit:
                        raise self._too_large(limit)
                    parts.append(part)
                    if not message.get("more_body"):
                        return b"".join(parts)
        except TimeoutError:
            raise _Refused(408, "TooSlow", "the upload stalled; try again") from None

    async def _drain(self, receive: Receive) -> None:
        """Read what is still being sent: a client that cannot send does not look for answers.

        One that sends nothing has its answer, and waits for the connection to close.
        """
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(self._bounds.stall):
                for _ in range(2 * self._bounds.file_bytes // 2**16):
                    async with asyncio.timeout(LINGER):
                        message = await receive()
                    if message["type"] == "http.disconnect" or not message.get("more_body"):
                        return

    def _too_large(self, limit: int) -> _Refused:
        return _Refused(
            413,
            "LimitExceeded",
            f"the limit is {limit / 2**20:,.12g} MiB; the command has --max-input-mib",
        )


class _Sender:
    """Sends what the app answers, with the headers that every answer has."""

    def __init__(self, send: Send, scope: Message) -> None:
        self._send, self._api = send, scope["path"].startswith(API)
        self.started = False

    async def __call__(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            self.started = True
            keep = b"no-store" if self._api else b"no-cache"
            message["headers"] = [
                *message.get("headers", []),
                *HEADERS,
                (b"cache-control", keep),
                *([(b"retry-after", RETRY_SECONDS)] if message["status"] == 503 else []),
            ]
        await self._send(message)


def _after(body: bytes, receive: Receive) -> Receive:
    """Return a `receive` that gives the whole body first."""
    rest = [body]

    async def given() -> Message:
        if rest:
            return {"type": "http.request", "body": rest.pop(), "more_body": False}
        return await receive()

    return given


async def _answer(send: Send, status: int, kind: str, message: str) -> None:
    """Send an error as the app would, all but the end; the connection closes after that."""
    body = json.dumps({"error": {"kind": kind, "message": message}}).encode()
    headers = [
        (b"content-type", b"application/json"),
        (b"content-length", str(len(body)).encode()),
        (b"connection", b"close"),
    ]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body, "more_body": True})


def _all(scope: Message, name: bytes) -> list[str]:
    return [value.decode("latin-1") for key, value in scope["headers"] if key == name]


def _only(scope: Message, name: bytes) -> str | None:
    """Return the value of a header that is there exactly once."""
    values = _all(scope, name)
    return values[0] if len(values) == 1 else None
