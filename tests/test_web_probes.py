"""Probes of the web app in long lists: paths, forms of other sites, slow clients, the disk."""

import contextlib
import ctypes
import itertools
import os
import signal
import socket
import struct
import sys
import threading
import time

import numpy as np
import pytest
from PIL import Image
from process import file_of, picture
from serving import answer, children, command, served, status

from smalti.web import app, server

PNG = file_of(picture())
SECRET = b"SMALTI-TEST-SECRET"

# A step up, as it may be written; percent signs are decoded once, and these are what is sent.
UP = ["..", "%2e%2e", "%2e.", ".%2e", "%252e%252e", "%c0%ae%c0%ae", "%e0%80%ae%e0%80%ae",
      "%uff0e%uff0e", "..;", "..;x=1", "..%00", "..%20", "....", "%2e%2e%3b"]  # fmt: skip
BETWEEN = ["/", "%2f", "\\", "%5c", "%252f", "%c0%af", "//"]
OTHERS = [
    "/static//{secret}", "/static/%2f{secret}", "/static/{secret}", "//{secret}", "/{secret}",
    "/static/file:///{secret}", "/static/page.js%00", "/static/page.js%00.png",
    "/static/page.js;x=1", "/static/page.js%20", "/static/page.js%3f",
    "/static/page.js::$DATA", "/static/link.js", "/static/linked/secret.txt", "/static/",
    "/static", "/static/.", "/static/./", "/static/%", "/static/~", "/api/../static/../secret.txt",
    "/api/images/../../secret.txt", "/secret.txt", "/server.py", "/static/../../etc/passwd",
]  # fmt: skip


@pytest.fixture(scope="module")
def client():
    with served() as client:
        yield client


def request(client, head, *headers, body=b"", token=True):
    own = f"X-Token: {client.token}" if token else "X-Other: 1"
    lines = [head, "Host: {}:{}".format(*client.address), "Connection: close", own, *headers]
    text = "\r\n".join([*lines, f"Content-Length: {len(body)}"]) + "\r\n\r\n"
    return answer(client.address, text.encode("latin-1") + body)


# ---------------------------------------------------------------- paths


@pytest.fixture
def site(tmp_path, monkeypatch):
    """A server whose page has one file, beside a secret, and links to that."""
    static = tmp_path / "static"
    static.mkdir()
    (static / "page.js").write_text("1")
    (static / "index.html").write_text("page")
    (tmp_path / "secret.txt").write_bytes(SECRET)
    (static / "link.js").symlink_to(tmp_path / "secret.txt")
    (static / "linked").symlink_to(tmp_path)
    monkeypatch.setattr(app, "STATIC", static)
    with served() as client:
        yield client, tmp_path


@pytest.mark.skipif(sys.platform == "win32", reason="symbolic links")
@pytest.mark.guarantee(35)
def test_no_path_leads_out_of_the_page(site, figure):
    client, folder = site
    secret = str(folder / "secret.txt").lstrip("/")
    paths = [f"/static/{up}{between}secret.txt" for up, between in itertools.product(UP, BETWEEN)]
    paths += [other.format(secret=secret) for other in OTHERS]
    assert status(request(client, "GET /static/page.js HTTP/1.1")) == 200

    replies = {path: request(client, f"GET {path} HTTP/1.1") for path in paths}

    codes = [status(reply) for reply in replies.values()]
    figure(
        f"{len(paths)} paths: {codes.count(404)} not found, {codes.count(400)} malformed, "
        f"{sum(SECRET in reply for reply in replies.values())} of them lead out"
    )
    assert not [path for path, reply in replies.items() if SECRET in reply]
    assert {path: code for path, code in zip(paths, codes, strict=True)
            if code not in (404, 400, 405)} == {}  # fmt: skip
    assert codes.count(404) >= 60


# ---------------------------------------------------------------- other sites

FORMS = ["application/x-www-form-urlencoded", "multipart/form-data; boundary=x", "text/plain"]


@pytest.fixture
def routed():
    """Every method and address of the app that may change something: of things that are not."""
    return [
        (method, route.path.replace("{id}", "1"))
        for route in app.build(app.Engine()).routes
        for method in sorted((getattr(route, "methods", None) or set()) & {"POST", "DELETE"})
    ]


@pytest.mark.guarantee(31)
def test_forms_of_other_sites_change_nothing(client, routed, figure):
    before = client.get("/api/state").json()

    replies = [
        request(client, f"{method} {path} HTTP/1.1", f"Content-Type: {form}", *sent, body=b"a=b",
                token=False)
        for method, path in routed
        for form in FORMS
        for sent in ((), ("Origin: http://evil.example",), ("Origin: null",),
                     ("Sec-Fetch-Site: cross-site",), ("Cookie: token=" + client.token,))
    ]  # fmt: skip

    assert len(routed) >= 8
    refused = sum(status(reply) == 403 for reply in replies)
    figure(f"{refused} of {len(replies)} forms of other sites refused")
    assert refused == len(replies)
    assert not any(b"set-cookie" in reply.lower() for reply in replies)
    assert client.get("/api/state").json() == before


@pytest.mark.guarantee(31)
def test_no_get_changes_anything(client, routed, figure):
    image = client.open(PNG)
    before = client.get("/api/state").json()
    paths = [path.replace("/1", f"/{image['id']}") for _, path in routed]
    paths += [path + query for path in paths for query in ("?_method=DELETE", "?k=2")]

    codes = [
        client.request(method, path).status_code for path in paths for method in ("GET", "HEAD")
    ]

    figure(f"{len(codes)} GET and HEAD requests to addresses that change something: no change")
    assert set(codes) <= {404, 405}
    assert client.get("/api/state").json() == before
    client.delete(f"/api/images/{image['id']}")


# ---------------------------------------------------------------- slow clients


class Slow:
    """Connections that send a byte of a request now and then, and never come to its end."""

    def __init__(self, address, count):
        self.open, self.dropped = [], []
        for number in range(count):
            one = socket.create_connection(address, timeout=20)
            one.setblocking(False)
            self.open.append((number, one, time.monotonic()))

    def drip(self, byte=b"x"):
        """Send a byte on each; note those that the server has closed."""
        left = []
        for number, one, since in self.open:
            try:
                one.send(byte)
                closed = one.recv(4096) == b""
            except BlockingIOError:
                closed = False
            except OSError:
                closed = True
            if closed:
                self.dropped.append(time.monotonic() - since)
                one.close()
            else:
                left.append((number, one, since))
        self.open = left


@contextlib.contextmanager
def many_files():
    """Room for the sockets of both sides."""
    resource = pytest.importorskip("resource")
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = 4096 if hard == resource.RLIM_INFINITY else min(4096, hard)
    resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, wanted), hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


@pytest.mark.timed
@pytest.mark.guarantee(33)
def test_slow_clients_are_dropped_while_others_are_served(monkeypatch, effort, figure):
    count, period = effort(100, 490), effort(0.25, 4)
    if not effort(0, 1):
        monkeypatch.setattr(server, "HEAD_SECONDS", 2.0)
    limit = server.HEAD_SECONDS
    with many_files(), served() as client:
        slow, took = Slow(client.address, count), []
        end = time.monotonic() + 3 * limit + 10
        while slow.open and time.monotonic() < end:
            slow.drip()
            start = time.monotonic()
            image = client.open(PNG)
            assert client.delete(f"/api/images/{image['id']}").status_code == 204
            took.append(time.monotonic() - start)
            time.sleep(max(0.0, period - took[-1]))

    figure(
        f"{len(slow.dropped)} of {count} slow clients dropped after {min(slow.dropped):.0f} to "
        f"{max(slow.dropped):.0f} s (limit {limit:.0f}); an upload meanwhile took "
        f"{sorted(took)[len(took) // 2] * 1000:.0f} ms (median), {max(took) * 1000:.0f} at most"
    )
    assert slow.open == []
    assert sorted(took)[len(took) // 2] < 1


# ---------------------------------------------------------------- the disk

CREATED = 0x100 | 0x2 | 0x80 | 0x200  # IN_CREATE, IN_MODIFY, IN_MOVED_TO, IN_DELETE: inotify(7)


class Watch:
    """What happens in some folders, as Linux tells it."""

    def __init__(self, *folders):
        self._c = ctypes.CDLL(None, use_errno=True)
        self._file = self._c.inotify_init1(os.O_NONBLOCK)
        for folder in folders:
            assert self._c.inotify_add_watch(self._file, os.fsencode(folder), CREATED) > 0

    def seen(self):
        """The names of what was made, written or removed since this was last asked."""
        names = []
        with contextlib.suppress(BlockingIOError):
            while data := os.read(self._file, 65536):
                while data:
                    _, _, _, size = struct.unpack_from("iIII", data)
                    names.append(data[16 : 16 + size].rstrip(b"\0").decode())
                    data = data[16 + size :]
        return names

    def close(self):
        os.close(self._file)


@pytest.mark.skipif(sys.platform != "linux", reason="watches by inotify, which only Linux has")
@pytest.mark.guarantee(35)
def test_uploads_touch_no_disk(tmp_path, monkeypatch, effort, figure):
    folders = {name: tmp_path / name for name in ("TMPDIR", "HOME", "here")}
    for folder in folders.values():
        folder.mkdir()
    environment = {name: str(folders[name]) for name in ("TMPDIR", "HOME")}
    monkeypatch.chdir(folders["here"])
    large = file_of(Image.fromarray(
        np.random.default_rng(1).integers(0, 256, (900, 1200, 3), np.uint8)))  # fmt: skip
    uploads = effort(6, 100)
    watch = Watch(*folders.values())
    try:
        (folders["HOME"] / "made here").touch()
        assert watch.seen() == ["made here"]

        with command(TEMP=environment["TMPDIR"], TMP=environment["TMPDIR"], **environment) as (
            process,
            client,
        ):
            for number in range(uploads):
                image = client.open(large if number % 2 else PNG)
                if number % 5 == 0:
                    client.made(image["id"], k=4, pack="fast")
                client.delete(f"/api/images/{image['id']}")
            image = client.open(large)
            job = client.render(image["id"], k=256, effort="best", pack="max")
            with client.stream("GET", f"/api/jobs/{job}/events") as stream:
                next(stream.iter_lines())
                for pid in children(process.pid):
                    os.kill(pid, signal.SIGKILL)
            sending = threading.Thread(target=lambda: half_sent(client))
            sending.start()
            time.sleep(0.3)
            process.kill()
            process.wait(20)
            sending.join()

        seen = watch.seen()
    finally:
        watch.close()
    figure(
        f"{uploads} uploads, {uploads // 5} files made, workers and server killed with SIGKILL in "
        f"the middle: {len(seen)} files in the temporary, home and working folders"
    )
    assert seen == []
    assert [
        path for path in tmp_path.rglob("*") if path.is_file() and path.name != "made here"
    ] == []


def half_sent(client):
    """Begin an upload that never ends."""
    head = (
        "POST /api/images HTTP/1.1\r\nHost: {}:{}\r\nX-Token: {}\r\nContent-Length: 9999999\r\n\r\n"
    )
    request = head.format(*client.address, client.token).encode() + bytes(5_000_000)
    with contextlib.suppress(OSError):
        answer(client.address, request)
