"""The page's static files on a server of their own, for tests of its parts without the app.

`answer` says what other paths are; the content policy is the app's own, so that a part that it
would stop fails here, too.
"""

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, ClassVar
from urllib.parse import urlparse

import smalti

__all__ = ["Answer", "StaticSite", "served"]

STATIC = Path(smalti.__file__).parent / "web" / "static"
POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' blob: data:; "
    "connect-src 'self'; worker-src 'self'"
)

Answer = tuple[str, bytes, dict[str, str]]  # type, body, further headers


class StaticSite:
    """The static folder at / and at /static/; `received` holds what was posted, by path."""

    def __init__(self, answer: Callable[[Any], Answer | None]) -> None:
        self.received: dict[str, bytes] = {}
        site = self

        class Handler(SimpleHTTPRequestHandler):
            extensions_map: ClassVar = {".js": "text/javascript", ".css": "text/css"}

            def __init__(self, *arguments: Any) -> None:
                super().__init__(*arguments, directory=str(STATIC))

            def do_GET(self) -> None:
                found = answer(urlparse(self.path))
                if found is None:
                    self.path = self.path.removeprefix("/static")
                    return super().do_GET()
                kind, body, headers = found
                self.send_response(200)
                for name, value in {"Content-Type": kind, **headers}.items():
                    self.send_header(name, value)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)
                return None

            def do_POST(self) -> None:
                length = int(self.headers["Content-Length"])
                site.received[self.path] = self.rfile.read(length)
                self.send_response(204)
                self.end_headers()

            def end_headers(self) -> None:
                self.send_header("Content-Security-Policy", POLICY)
                super().end_headers()

            def log_message(self, *arguments: Any) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.address = f"http://127.0.0.1:{self._server.server_port}"
        self._thread = threading.Thread(target=self._server.serve_forever)
        self._thread.start()

    def close(self) -> None:
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()


@contextmanager
def served(texts: dict[str, tuple[str, str | bytes]]) -> Iterator[StaticSite]:
    """Serve the static folder, and beside it {path: (type, text)}, which may change meanwhile."""

    def answer(url: Any) -> Answer | None:
        kind, text = texts.get(url.path, ("", None))
        if text is None:
            return ("image/x-icon", b"", {}) if url.path == "/favicon.ico" else None
        return kind, text.encode() if isinstance(text, str) else text, {}

    site = StaticSite(answer)
    try:
        yield site
    finally:
        site.close()
