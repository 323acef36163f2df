"""A real server of the web app for tests: on a socket of its own, in a thread or as the command."""

import contextlib
import json
import os
import signal
import socket
import subprocess
import threading
from collections.abc import Iterator
from typing import Any
from urllib.parse import quote

import httpx
from process import COMMAND

from smalti.web.server import Site

__all__ = ["Client", "answer", "children", "command", "memory_mib", "rest", "served", "status"]


class Client(httpx.Client):
    """A client that knows the address and the token."""

    def __init__(self, url: str, **options: Any) -> None:
        self.url = url
        base, _, self.token = url.partition("/#t=")
        # Idle connections are closed here first: a request that meets the server's closing fails.
        limits = httpx.Limits(keepalive_expiry=1)
        headers = {"X-Token": self.token}
        super().__init__(base_url=base, headers=headers, timeout=60, limits=limits, **options)

    @property
    def address(self) -> tuple[str, int]:
        return self.base_url.host, self.base_url.port or 80

    def open(self, data: bytes, name: str = "photo.png") -> dict[str, Any]:
        """Send a file, and return what is said about it."""
        answer = self.post("/api/images", content=data, headers={"X-Filename": quote(name)})
        assert answer.status_code == 201, answer.text
        return answer.json()

    def lines(self, path: str) -> list[dict[str, Any]]:
        """Return all lines of a stream."""
        answer = self.get(path)
        assert answer.status_code == 200, answer.text
        return [json.loads(line) for line in answer.text.splitlines()]

    def render(self, image: str, **settings: Any) -> str:
        """Start a job, and return its id."""
        answer = self.post(f"/api/images/{image}/render", json=settings)
        assert answer.status_code == 202, answer.text
        return answer.json()["job"]

    def made(self, image: str, **settings: Any) -> tuple[dict[str, Any], bytes]:
        """Make a file: what was said last, and the file."""
        job = self.render(image, **settings)
        last = self.lines(f"/api/jobs/{job}/events")[-1]
        return last, self.get(f"/api/jobs/{job}/file").content


@contextlib.contextmanager
def served(**options: Any) -> Iterator[Client]:
    """A server in a thread of this process, on a free port; `client.site` is the server."""
    site = Site(port=0, **options)
    thread = threading.Thread(target=site.run)
    thread.start()
    client = Client(site.url)
    client.site = site  # type: ignore[attr-defined]
    try:
        client.get("/")
        yield client
    finally:
        client.close()
        site.stop()
        thread.join(20)
        assert not thread.is_alive()


@contextlib.contextmanager
def command(
    *arguments: object, **environment: str
) -> Iterator[tuple[subprocess.Popen[str], Client]]:
    """The command `smalti web` as a process, and a client of it."""
    process = subprocess.Popen(
        [*COMMAND, "web", "--no-open", "--port", "0", *map(str, arguments)],
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        env={**os.environ, **environment},
    )  # fmt: skip
    try:
        assert process.stdout is not None
        url = process.stdout.readline().strip()
        assert url.startswith("http://"), (url, process.stderr and process.stderr.read())
        with Client(url) as client:
            yield process, client
    finally:
        if process.poll() is None:
            process.send_signal(signal.SIGINT)
        process.wait(20)
        for pipe in (process.stdout, process.stderr):
            if pipe is not None:
                pipe.close()


def answer(address: tuple[str, int], request: bytes, seconds: float = 20) -> bytes:
    """Send bytes over a socket, and return everything that comes back."""
    with socket.create_connection(address, timeout=seconds) as connection:
        with contextlib.suppress(OSError):  # it may be closed before it has read all
            connection.sendall(request)
        return rest(connection)


def rest(connection: socket.socket) -> bytes:
    """Return what still comes over a connection."""
    parts = []
    with contextlib.suppress(ConnectionError):
        while part := connection.recv(65536):
            parts.append(part)
    return b"".join(parts)


def status(reply: bytes) -> int:
    """Return the status of a raw answer."""
    return int(reply.split(b" ", 2)[1])


def children(pid: int) -> list[int]:
    """Return the processes that a process started."""
    listed = subprocess.run(
        ["ps", "-A", "-o", "pid=,ppid=,stat="], capture_output=True, text=True, check=True
    )
    rows = [line.split() for line in listed.stdout.splitlines()]
    return [int(row[0]) for row in rows if int(row[1]) == pid and not row[2].startswith("Z")]


def memory_mib(pid: int, most: bool = False) -> float:
    """Return the memory of a process, now or the most that it has had, where /proc says it."""
    with open(f"/proc/{pid}/status", encoding="ascii") as file:
        sizes = dict(line.split(":", 1) for line in file if line.startswith("Vm"))
    return int(sizes["VmHWM" if most else "VmRSS"].split()[0]) / 1024
