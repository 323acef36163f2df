"""What stands before the web app: hosts, origins, token, sizes, and clients that are slow."""

import contextlib
import socket
import time

import numpy as np
import pytest
from process import file_of, picture
from serving import answer, rest, served, status

from smalti.web import server
from smalti.web.guard import Bounds, names_of

PNG = file_of(picture())

HOSTILE = [
    "", " ", "evil.example", "evil.example:{port}", "localhost", "127.0.0.1", "[::1]", "localhost:",
    "127.0.0.1:", "localhost:1", "127.0.0.1:80", "127.0.0.1:0{port}", "localhost:{port}0",
    "localhost.evil.example", "localhost.evil.example:{port}", "127.0.0.1.evil.example:{port}",
    "evil.example@localhost:{port}", "localhost:{port}@evil.example", "localhost:{port}.evil.test",
    "localhost:{port},evil.example", "evil.example,localhost:{port}", "localhost:{port} evil.test",
    "localhost.:{port}", ".localhost:{port}", "sub.localhost:{port}", "localhost:{port}/",
    "http://localhost:{port}", "//localhost:{port}", "localhost:{port}#", "localhost:{port}?",
    "127.1:{port}", "0.0.0.0:{port}", "0:{port}", "2130706433:{port}", "0x7f.0.0.1:{port}",
    "127.0.0.2:{port}", "::1:{port}", "[::1%25lo]:{port}", "[::]:{port}",
    "[::ffff:127.0.0.1]:{port}",
]  # fmt: skip


@pytest.fixture(scope="module")
def client():
    with served() as client:
        yield client


@pytest.fixture(scope="module")
def short():
    """A server of little patience and small limits."""
    bounds = Bounds(file_bytes=2**20, other_bytes=2**12, stall=0.3, total=1.5)
    with served(bounds=bounds) as client:
        yield client


def request(client, head, *headers, host=None, token=True, body=b""):
    host = "{}:{}".format(*client.address) if host is None else host
    lines = [head, f"Host: {host}", "Connection: close", *headers]
    if token:
        lines.append(f"X-Token: {client.token}")
    text = "\r\n".join(lines) + "\r\n\r\n"
    return answer(client.address, text.encode("latin-1") + body)


@pytest.mark.guarantee(31)
def test_forty_hostile_hosts_are_all_refused(client, record_property, capsys, figure):
    _, port = client.address

    replies = [
        request(client, "GET /api/state HTTP/1.1", host=host.format(port=port)) for host in HOSTILE
    ]

    refused = sum(status(reply) in (400, 421) for reply in replies)
    assert not any(b'"version"' in reply for reply in replies)
    with capsys.disabled():
        print(f"\n{refused} of {len(HOSTILE)} hostile Host headers refused")
    record_property("hostile_hosts_refused", refused)
    assert refused == len(HOSTILE) == 40
    figure(f"{refused} of {len(HOSTILE)} hostile Host headers refused")


@pytest.mark.parametrize("name", ["127.0.0.1", "localhost", "LOCALHOST", "[::1]"])
def test_own_names_are_answered(client, name):
    reply = request(client, "GET /api/state HTTP/1.1", host=f"{name}:{client.address[1]}")

    assert status(reply) == 200


@pytest.mark.guarantee(31)
def test_two_hosts_or_none_are_refused(client):
    own = "{}:{}".format(*client.address)

    for reply in (
        request(client, "GET / HTTP/1.1", f"Host: {own}"),
        request(client, "GET / HTTP/1.1", "Host: evil.example"),
        answer(client.address, b"GET / HTTP/1.0\r\n\r\n"),
    ):
        assert status(reply) in (400, 421)


@pytest.mark.parametrize("target", ["http://evil.example/", "http://evil.example/api/state", "*",
                                    "http://127.0.0.1/api/state", "evil.example:80"])  # fmt: skip
@pytest.mark.guarantee(31)
def test_absolute_addresses_are_refused(client, target):
    reply = request(client, f"GET {target} HTTP/1.1")

    assert status(reply) == 400
    assert b'"version"' not in reply


@pytest.mark.parametrize("header", [
    "Origin: null", "Origin: http://evil.example", "Origin: http://127.0.0.1",
    "Origin: http://localhost:{port}", "Origin: http://127.0.0.1:{port}.evil.example",
    "Origin: http://127.0.0.1:{port}/", "Origin:",
    "Sec-Fetch-Site: cross-site", "Sec-Fetch-Site: same-site", "Sec-Fetch-Site: same-origin, none",
])  # fmt: skip
@pytest.mark.guarantee(31)
def test_requests_of_other_sites_are_refused_even_with_the_token(client, header):
    for head in ("GET /api/state HTTP/1.1", "GET / HTTP/1.1", "POST /api/images HTTP/1.1"):
        reply = request(client, head, header.format(port=client.address[1]), "Content-Length: 0")

        assert status(reply) == 403


def test_own_page_is_answered(client):
    origin = "http://{}:{}".format(*client.address)
    headers = {"Origin": origin, "Sec-Fetch-Site": "same-origin"}

    assert client.get("/api/state", headers=headers).status_code == 200
    assert client.get("/", headers={"Sec-Fetch-Site": "none"}).status_code == 200


@pytest.mark.parametrize("token", ["", "x", "{token}x", "{short}", "é"])
@pytest.mark.guarantee(30)
def test_wrong_token_opens_nothing(client, token):
    wrong = token.format(token=client.token, short=client.token[:-1])

    for head in ("GET /api/state HTTP/1.1", "POST /api/images HTTP/1.1", "GET /api HTTP/1.1",
                 "DELETE /api/jobs/x HTTP/1.1", "GET /api/nothing HTTP/1.1"):  # fmt: skip
        for header in (f"X-Token: {wrong}", "X-Other: 1"):
            reply = request(client, head, header, "Content-Length: 0", token=False)
            assert status(reply) == 403
            assert b"NoToken" in reply


@pytest.mark.guarantee(30)
def test_token_that_is_given_twice_opens_nothing(client):
    assert status(request(client, "GET /api/state HTTP/1.1", f"X-Token: {client.token}")) == 403


@pytest.mark.guarantee(30)
def test_token_is_in_no_file_of_the_page(client):
    for path in ("/", "/static/app.js", "/static/style.css"):
        assert client.token not in client.get(path, headers={"X-Token": ""}).text


@pytest.mark.guarantee(31, 34)
def test_every_answer_has_the_headers_and_allows_no_other_origin(client, figure):
    answers = [client.get("/"), client.get("/static/app.js"), client.get("/nothing"),
               client.get("/api/state"), client.get("/api/nothing"), client.options("/api/state"),
               client.get("/", headers={"Host": "evil"}), client.put("/api/state"),
               client.get("/static/none"), client.post("/api/palette", content=b"{")]  # fmt: skip

    for got in answers:
        policy = got.headers["content-security-policy"]
        assert policy.startswith("default-src 'none'; script-src 'self'; style-src 'self'")
        assert "unsafe" not in policy
        assert got.headers["x-content-type-options"] == "nosniff"
        assert got.headers["cross-origin-opener-policy"] == "same-origin"
        assert got.headers["cross-origin-resource-policy"] == "same-origin"
        assert got.headers["referrer-policy"] == "no-referrer"
        assert not [name for name in got.headers if name.startswith("access-control")]
        assert "server" not in got.headers
    assert answers[3].headers["cache-control"] == "no-store"
    assert answers[1].headers["cache-control"] == "no-cache"
    figure(
        f"{len(answers)} of {len(answers)} kinds of answers have all headers, none allows another "
        "origin"
    )


def test_options_is_refused(client):
    assert client.options("/api/images").status_code == 405
    assert client.request("TRACE", "/").status_code == 405


def test_nothing_outside_the_page_is_served(client):
    for path in ("/static/../server.py", "/static/%2e%2e/server.py", "/static/..%2fserver.py",
                 "/static/%5c..%5cserver.py", "//etc/passwd", "/static//etc/passwd", "/static/",
                 "/server.py", "/static/%00"):  # fmt: skip
        reply = request(client, f"GET {path} HTTP/1.1")

        assert status(reply) in (404, 405), path


def test_static_files_are_kept_by_their_etag(client):
    first = client.get("/static/app.js")

    again = client.get("/static/app.js", headers={"If-None-Match": first.headers["etag"]})

    assert first.headers["content-type"].startswith("text/javascript")
    assert again.status_code == 304


@pytest.mark.guarantee(32)
def test_body_of_70_mb_is_refused_by_its_length(client):
    head = "POST /api/images HTTP/1.1"

    reply = request(client, head, f"Content-Length: {70 * 2**20}", body=bytes(70 * 2**20))

    assert status(reply) == 413
    assert b"64 MiB" in reply


@pytest.mark.guarantee(32)
def test_body_of_70_mb_without_a_length_is_refused(client):
    piece = bytes(2**20)

    def pieces():
        for _ in range(70):
            yield piece

    got = client.post("/api/images", content=pieces())

    assert got.status_code == 413
    assert got.json()["error"]["kind"] == "LimitExceeded"
    assert client.get("/api/state").status_code == 200


@pytest.mark.guarantee(32)
def test_client_that_announces_too_much_and_sends_nothing_is_not_kept_waiting(client):
    start = time.monotonic()

    reply = request(client, "POST /api/images HTTP/1.1", f"Content-Length: {10**12}")

    assert status(reply) == 413
    assert time.monotonic() - start < client.site.engine.bounds.stall / 2


@pytest.mark.guarantee(32)
def test_large_json_is_refused(client):
    got = client.post("/api/palette", content=b" " * (2**20 + 1))

    assert got.status_code == 413


@pytest.mark.parametrize("length", ["-1", "1e3", "99999999999999999999", "1, 2", "0x10"])
@pytest.mark.guarantee(32)
def test_length_that_is_none_is_refused(client, length):
    reply = request(client, "POST /api/images HTTP/1.1", f"Content-Length: {length}")

    assert status(reply) in (400, 413)


@pytest.mark.guarantee(33)
def test_client_that_stalls_is_told_so(short):
    head = "POST /api/images HTTP/1.1\r\nHost: {}:{}\r\nX-Token: {}\r\nContent-Length: 1000\r\n\r\n"
    with socket.create_connection(short.address, timeout=10) as slow:
        slow.sendall(head.format(*short.address, short.token).encode() + b"12345")
        start = time.monotonic()

        reply = rest(slow)

    assert status(reply) == 408
    assert b"TooSlow" in reply
    assert time.monotonic() - start < 5


@pytest.mark.guarantee(33)
def test_client_that_drips_is_told_so(short):
    head = "POST /api/images HTTP/1.1\r\nHost: {}:{}\r\nX-Token: {}\r\nContent-Length: 1000\r\n\r\n"
    with socket.create_connection(short.address, timeout=10) as slow:
        slow.sendall(head.format(*short.address, short.token).encode())
        for _ in range(40):
            slow.settimeout(0.1)
            try:
                reply = slow.recv(65536)
                break
            except TimeoutError:
                slow.sendall(b"x")

    assert status(reply) == 408


@pytest.mark.parametrize("head", [b"", b"GET / HT", b"GET / HTTP/1.1\r\nHost: x\r\n"])
@pytest.mark.guarantee(33)
def test_client_that_never_finishes_its_head_is_dropped(client, monkeypatch, head):
    monkeypatch.setattr(server, "HEAD_SECONDS", 0.3)
    for before in (b"", b"GET / HTTP/1.1\r\nHost: x\r\n\r\n"):
        with socket.create_connection(client.address, timeout=10) as slow:
            slow.sendall(before + head)
            start = time.monotonic()

            reply = rest(slow)

        assert (status(reply) == 421) if before else reply == b""
        assert time.monotonic() - start < 8


@contextlib.contextmanager
def held(client, count):
    """So many connections on which an upload has begun, and does not go on."""
    head = "POST /api/images HTTP/1.1\r\nHost: {}:{}\r\nX-Token: {}\r\nContent-Length: 9\r\n\r\n"
    with contextlib.ExitStack() as stack:
        for _ in range(count):
            one = stack.enter_context(socket.create_connection(client.address, timeout=10))
            one.sendall(head.format(*client.address, client.token).encode())
        yield


@pytest.mark.guarantee(33)
def test_slow_clients_keep_nobody_waiting(short):
    with held(short, 50):
        assert short.open(PNG)["width"] == 64


@pytest.mark.guarantee(33)
def test_more_requests_than_can_be_held_are_asked_to_come_back():
    def eventually(code, before=lambda: None):
        for _ in range(100):
            before()
            time.sleep(0.05)
            got = client.get("/")
            if got.status_code == code:
                return got
        raise AssertionError(f"the answer was never {code}")

    with served(bounds=Bounds(requests=3)) as client:
        with contextlib.ExitStack() as stack:
            full = eventually(503, lambda: stack.enter_context(held(client, 1)))
            assert full.json()["error"]["kind"] == "Busy"

        eventually(200)


def test_names_of_further_hosts_have_a_port():
    own = {"127.0.0.1:9", "localhost:9", "[::1]:9"}

    assert names_of(9, ["Box"]) - own == {"box:9"}
    assert names_of(9, ["box:80", "x:443"]) - own == {"box:80", "box", "x:443"}
    assert names_of(9, ["[fe80::1]"]) - own == {"[fe80::1]:9"}


def test_further_host_is_answered_and_still_needs_the_token():
    with served(allow_hosts=["paint.example"]) as client:
        name = f"paint.example:{client.address[1]}"

        assert status(request(client, "GET /api/state HTTP/1.1", host=name)) == 200
        assert status(request(client, "GET /api/state HTTP/1.1", host=name, token=False)) == 403
        assert status(request(client, "GET / HTTP/1.1", host="paint.example")) == 421


def test_noise_is_refused_and_changes_nothing(client):
    rng = np.random.default_rng(1)

    for size in (1, 100, 70_000):
        reply = answer(client.address, rng.bytes(size) + b"\r\n\r\n")
        assert reply == b"" or status(reply) == 400
    assert client.get("/api/state").status_code == 200
