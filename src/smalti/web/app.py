"""App: which address answers what.

    request -> [build] -> images, previews, jobs, batches -> JSON | NDJSON | bytes

Handlers translate; they hold no pixels and no loops over them. Everything that takes
longer than a millisecond runs in a thread (`Shelf.run`) or in a worker. What is wrong
is said as {"error": {"kind", "message"}}, with the class of the library's error as kind.

Nothing here changes anything on GET, and no text of a request ever becomes a path.
"""

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any
from urllib.parse import quote

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse, Response, StreamingResponse
from starlette.routing import Mount, Route
from starlette.staticfiles import StaticFiles

from .. import __version__
from ..decode import Limits
from ..errors import BadImage, BadOption, LimitExceeded, SmaltiError
from ..options import check, check_k
from ..palette import Palette
from ..palette_files import SUFFIXES, parse
from ..sources import shown
from . import previews, wishes
from .batches import Batch, Batches, Item, archive, folder_of
from .guard import Bounds
from .images import MOST, Entry, Shelf, clean_name
from .jobs import Busy, Job, Jobs, Patience

__all__ = ["Engine", "build"]

STATIC = Path(__file__).parent / "static"
RAW = "application/octet-stream"
LINES = "application/x-ndjson"
MOST_TEXT = 500  # letters

STATUS = {BadOption: 422, BadImage: 415, LimitExceeded: 413, Busy: 503}

MOST_FIRST = 16  # palettes that a page may want before the others

PALETTE_TYPES = {
    "png": "image/png",
    "json": "application/json",
    "css": "text/css; charset=utf-8",
    "gpl": "text/plain; charset=utf-8",
    "hex": "text/plain; charset=utf-8",
}


class Engine:
    """All that the server holds: images, jobs, batches."""

    def __init__(self, bounds: Bounds | None = None, patience: Patience | None = None) -> None:
        self.bounds = bounds or Bounds()
        self.images = Shelf()
        self.jobs = Jobs(patience)
        self.batches = Batches(self.images, self.jobs)
        self.loading: asyncio.Future[Any] | None = None
        """The files of the command line, while they are being read."""

    async def close(self) -> None:
        """End everything that runs."""
        await self.batches.close()
        await self.jobs.close()
        self.images.close()


def build(engine: Engine) -> Starlette:
    """Return the ASGI app of an engine."""
    app = Starlette(
        routes=[
            Route("/", _page),
            Mount("/static", StaticFiles(directory=STATIC)),
            Route("/api/state", _state),
            Route("/api/images", _add, methods=["POST"]),
            Route("/api/images/{id}", _remove, methods=["DELETE"]),
            Route("/api/images/{id}/pixels", _pixels),
            Route("/api/images/{id}/thumbnail", _thumbnail),
            Route("/api/images/{id}/region", _region),
            Route("/api/images/{id}/points", _points),
            Route("/api/images/{id}/ladder", _ladder),
            Route("/api/images/{id}/trace", _trace),
            Route("/api/images/{id}/render", _render, methods=["POST"]),
            Route("/api/jobs/{id}/events", _events),
            Route("/api/jobs/{id}/file", _file),
            Route("/api/jobs/{id}", _cancel, methods=["DELETE"]),
            Route("/api/batches", _batch, methods=["POST"]),
            Route("/api/batches/{id}", _cancel_batch, methods=["DELETE"]),
            Route("/api/batches/{id}/events", _batch_events),
            Route("/api/batches/{id}/zip", _zip),
            Route("/api/palette", _palette, methods=["POST"]),
            Route("/api/palette/read", _read_palette, methods=["POST"]),
        ],
        exception_handlers={SmaltiError: _explain, HTTPException: _explain_status},
    )
    app.router.redirect_slashes = False
    app.state.engine = engine
    return app


# ---------------------------------------------------------------- answers


class Lines(StreamingResponse):
    """A stream of lines of JSON. When the reader goes away, the source is closed at once."""

    def __init__(self, source: AsyncIterator[dict[str, Any]]) -> None:
        self._source = source
        super().__init__(self._encoded(), media_type=LINES)

    async def _encoded(self) -> AsyncIterator[bytes]:
        async with contextlib.aclosing(self._source) as source:  # type: ignore[type-var]
            async for line in source:
                yield json.dumps(line, allow_nan=False).encode() + b"\n"

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        sending = asyncio.ensure_future(self.stream_response(send))
        leaving = asyncio.ensure_future(self.listen_for_disconnect(receive))
        try:
            await asyncio.wait([sending, leaving], return_when=asyncio.FIRST_COMPLETED)
        finally:
            leaving.cancel()
            sending.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await sending


def _error(status: int, kind: str, message: str) -> JSONResponse:
    return JSONResponse({"error": {"kind": kind, "message": message}}, status)


async def _explain(request: Request, error: Exception) -> Response:
    status = next((code for kind, code in STATUS.items() if isinstance(error, kind)), 400)
    return _error(status, type(error).__name__, str(error))


async def _explain_status(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    kind = {404: "NotFound", 405: "BadRequest"}.get(error.status_code, "BadRequest")
    return _error(error.status_code, kind, error.detail)


def attachment(name: str) -> str:
    r"""Return a Content-Disposition with a name of any characters (RFC 6266, RFC 5987).

    >>> attachment('a"b é.png')
    'attachment; filename="a_b _.png"; filename*=UTF-8\'\'a%22b%20%C3%A9.png'
    """
    plain = "".join(c if " " <= c <= "~" and c not in '"\\%' else "_" for c in name)
    return f"attachment; filename=\"{plain}\"; filename*=UTF-8''{quote(name, safe='')}"


# ---------------------------------------------------------------- what a request means


def _engine(request: Request) -> Engine:
    engine = request.app.state.engine
    assert isinstance(engine, Engine)
    return engine


def _entry(request: Request) -> Entry:
    try:
        return _engine(request).images[request.path_params["id"]]
    except KeyError:
        raise HTTPException(404, "there is no such image; it may have been removed") from None


def _integer(request: Request, name: str, default: int | None = None) -> int:
    text = request.query_params.get(name)
    if text is None and default is not None:
        return default
    try:
        if text is None or len(text) > 20:
            raise ValueError
        return int(text)
    except ValueError:
        raise BadOption(f"{name} must be an integer, got {text!r:.40}") from None


def _words(request: Request, name: str) -> list[str]:
    return [word for word in request.query_params.get(name, "").split(",") if word]


def _space(request: Request) -> str:
    return str(check("space", request.query_params.get("space") or "oklab"))


async def _json(request: Request) -> Any:
    try:
        return json.loads(await request.body())
    except (ValueError, RecursionError):
        raise BadOption("the body of the request must be JSON") from None


# ---------------------------------------------------------------- page and state


async def _page(request: Request) -> Response:
    return await StaticFiles(directory=STATIC).get_response("index.html", request.scope)


async def _state(request: Request) -> Response:
    engine = _engine(request)
    if engine.loading is not None:
        await asyncio.wait([engine.loading])
    return JSONResponse(
        {
            "version": __version__,
            "limits": {
                "bytes": engine.bounds.file_bytes,
                "megapixels": Limits.megapixels,
                "images": MOST,
            },
            "options": wishes.options_table(),
            "images": [entry.about for entry in engine.images],
        }
    )


# ---------------------------------------------------------------- images


async def _add(request: Request) -> Response:
    engine = _engine(request)
    name = clean_name(request.headers.get("x-filename", ""))
    entry = await engine.images.add(name, await request.body())
    engine.jobs.crew.warm_up()
    return JSONResponse(entry.about, 201)


async def _remove(request: Request) -> Response:
    engine, entry = _engine(request), _entry(request)
    engine.jobs.cancel_of(entry.id)
    engine.images.remove(entry.id)
    return Response(status_code=204)


async def _pixels(request: Request) -> Response:
    engine, entry = _engine(request), _entry(request)
    small = (await engine.images.picture(entry)).preview
    size = {"x-size": f"{small.shape[1]}x{small.shape[0]}"}
    return Response(small.tobytes(), media_type=RAW, headers=size)


async def _thumbnail(request: Request) -> Response:
    engine, entry = _engine(request), _entry(request)
    if "thumbnail" not in entry.kept:
        picture = await engine.images.picture(entry)
        entry.kept["thumbnail"] = await engine.images.run(previews.thumbnail, picture.image)
    return Response(entry.kept["thumbnail"], media_type="image/png")


async def _region(request: Request) -> Response:
    engine, entry = _engine(request), _entry(request)
    x, y, w, h = (_integer(request, name) for name in "xywh")
    picture = await engine.images.picture(entry)
    raw, size = await engine.images.run(previews.region, picture.image, x, y, w, h)
    return Response(raw, media_type=RAW, headers={"x-size": size})


async def _points(request: Request) -> Response:
    engine, entry, space = _engine(request), _entry(request), _space(request)
    picture = await engine.images.picture(entry)
    raw = await engine.images.run(previews.points, picture.histogram, space)
    return Response(raw, media_type=RAW)


async def _ladder(request: Request) -> Response:
    engine, entry, space = _engine(request), _entry(request), _space(request)
    wanted: dict[str, Any] = {"keep": _words(request, "keep")}
    wanted |= {name: request.query_params.get(name) for name in ("format", "pack")}
    wanted = wishes.check_all(wanted)
    keep, packing = wanted.pop("keep", None), wanted
    first = [check_k(_number(word)) for word in _words(request, "first")][:MOST_FIRST]
    return Lines(_ladder_lines(engine, entry, first, space, keep, packing))


async def _ladder_lines(
    engine: Engine, entry: Entry, first: list[int], space: str, keep: Any, packing: dict[str, Any]
) -> AsyncIterator[dict[str, Any]]:
    """Yield palettes and the curve; what files would take, once the real one needs no processor."""
    picture, anchors = await engine.images.picture(entry), dict[int, Palette]()
    lines = previews.rungs(picture.histogram, first, anchors, space=space, keep=keep)
    async for line in _step_by_step(engine, lines):
        yield line
    await engine.jobs.quiet(entry.id)
    sizes = previews.estimates(picture.image, anchors, space=space, **packing)
    async for line in _step_by_step(engine, sizes):
        yield line
    yield {"done": True}


def _number(word: str) -> int:
    try:
        return int(word[:20])
    except ValueError:
        raise BadOption(f"first must be numbers of colors, got {word!r:.40}") from None


async def _step_by_step(
    engine: Engine, lines: Iterator[dict[str, Any]]
) -> AsyncIterator[dict[str, Any]]:
    """Yield what a generator yields, each step of it done in a thread."""
    while True:
        line = await engine.images.run(next, lines, None)
        if line is None:
            return
        yield line


async def _trace(request: Request) -> Response:
    engine, entry, space = _engine(request), _entry(request), _space(request)
    k, seed = check_k(_integer(request, "k", 8)), check("seed", _integer(request, "seed", 0))
    init = check("init", request.query_params.get("init") or "random")
    picture = await engine.images.picture(entry)
    raw = await engine.images.run(
        previews.frames, picture.histogram, min(k, 256), space, init, seed
    )
    return Response(raw, media_type=RAW)


# ---------------------------------------------------------------- jobs


async def _render(request: Request) -> Response:
    engine, entry = _engine(request), _entry(request)
    settings = wishes.check_all(await _json(request))
    job = engine.jobs.start(entry.id, entry.name, entry.data, settings)
    return JSONResponse({"job": job.id}, 202)


def _job(request: Request) -> Job:
    try:
        return _engine(request).jobs[request.path_params["id"]]
    except KeyError:
        raise HTTPException(404, "there is no such job; old ones are forgotten") from None


async def _events(request: Request) -> Response:
    return Lines(_job(request).follow())


async def _cancel(request: Request) -> Response:
    _job(request).cancel()
    return Response(status_code=204)


async def _file(request: Request) -> Response:
    job = _job(request)
    if not job.data:
        raise HTTPException(404, "this job has no file, or not yet")
    return Response(
        job.data, media_type=job.type, headers={"content-disposition": attachment(job.target)}
    )


# ---------------------------------------------------------------- many files


async def _batch(request: Request) -> Response:
    engine, given = _engine(request), await _json(request)
    items = given.get("items") if isinstance(given, dict) else None
    if not isinstance(items, list) or not 1 <= len(items) <= MOST:
        raise BadOption(f"a batch is sent as {{items: 1 to {MOST:,} of {{id, settings}}, shared}}")
    checked = []
    for item in items:
        if not isinstance(item, dict) or str(item.get("id")) not in engine.images:
            raise HTTPException(404, "there is no such image; it may have been removed")
        settings = wishes.check_all(item.get("settings") or {})
        folder = folder_of(str(item.get("path") or ""))
        checked.append(Item(engine.images[item["id"]], settings, folder))
    refused = given.get("refused") or []
    if not isinstance(refused, list) or len(refused) > MOST:
        raise BadOption(f"refused is a list of at most {MOST:,} files, {{source, message}} each")
    told = [_texts(each, "source", "message") for each in refused if isinstance(each, dict)]
    batch = engine.batches.start(checked, told, shared=bool(given.get("shared")))
    return JSONResponse({"batch": batch.id}, 202)


def _texts(given: dict[str, Any], *names: str) -> dict[str, str]:
    return {name: shown(str(given.get(name, ""))[:MOST_TEXT]) for name in names}


def _batch_of(request: Request) -> Batch:
    try:
        return _engine(request).batches[request.path_params["id"]]
    except KeyError:
        raise HTTPException(404, "there is no such batch; old ones are forgotten") from None


async def _batch_events(request: Request) -> Response:
    return Lines(_batch_of(request).follow())


async def _cancel_batch(request: Request) -> Response:
    _batch_of(request).cancel()
    return Response(status_code=204)


async def _zip(request: Request) -> Response:
    batch = _batch_of(request)
    if not batch.over:
        raise HTTPException(409, "this batch is still in the making")
    headers = {"content-disposition": attachment("smalti.zip")}
    return StreamingResponse(
        archive(batch, _engine(request).images), media_type="application/zip", headers=headers
    )


# ---------------------------------------------------------------- palettes


async def _palette(request: Request) -> Response:
    given = await _json(request)
    if not isinstance(given, dict) or not isinstance(given.get("colors"), list):
        raise BadOption("a palette is sent as {colors, format}")
    colors = wishes.check_all({"palette": given["colors"]})["palette"]
    kind, shares = str(given.get("format")), given.get("shares")
    if f".{kind}" not in (*SUFFIXES, ".png"):
        raise BadOption(f"format must be one of {', '.join(SUFFIXES)}, .png, got {kind!r:.40}")
    palette = Palette(Palette.of(colors).colors, _shares(shares, len(colors)))
    data = await _engine(request).images.run(palette.encoded, f".{kind}")
    return Response(
        data,
        media_type=PALETTE_TYPES.get(kind, RAW),
        headers={"content-disposition": attachment(f"palette.{kind}")},
    )


def _shares(given: Any, k: int) -> list[float] | None:
    if given is None:
        return None
    if not isinstance(given, list) or len(given) != k:
        raise BadOption(f"shares must be {k} numbers, one for each color")
    if not all(isinstance(share, int | float) and 0 <= share <= 1 for share in given):
        raise BadOption("shares must be numbers from 0 to 1")
    return [float(share) for share in given]


async def _read_palette(request: Request) -> Response:
    suffix, data = request.query_params.get("suffix", ""), await request.body()
    colors, _ = await _engine(request).images.run(parse, data, suffix)
    return JSONResponse({"colors": Palette(colors).hex()})
