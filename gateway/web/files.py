"""A folder of files, read and compressed once, and served so that a browser fetches each only once."""

import gzip
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from hashlib import sha256
from pathlib import Path
from types import MappingProxyType

from aiohttp import hdrs, web

# Our own table: the system's takes TypeScript for a film, and is another on each machine.
TYPES = {
    ".css": "text/css",
    ".html": "text/html",
    ".js": "text/javascript",
    ".json": "application/json",
}
OTHER = "text/plain"
FOR_EVER = "public, max-age=31536000, immutable"
ASK_AGAIN = "no-cache"


@dataclass(frozen=True, slots=True)
class Variant:
    """The bytes of a file as they travel, what they are, and how a cache knows and keeps them."""

    body: bytes
    etag: str
    kind: Mapping[str, str]
    keeping: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class File:
    """A file as it is, and compressed."""

    plain: Variant
    gzipped: Variant


@cache
def read_files(folder: Path) -> Mapping[str, File]:
    """Return every file below `folder` by its path; a symbolic link may lead anywhere, so it is none."""
    # Kept, because the public's listener and the operators' serve the same.
    return MappingProxyType(
        {
            path.relative_to(folder).as_posix(): _read(path)
            for path in folder.rglob("*")
            if path.is_file() and not path.is_symlink()
        }
    )


def respond(request: web.Request, file: File) -> web.Response:
    """Return a file, compressed for who takes that, or 304 for who has it (RFC 9110, 13.1.2)."""
    accepted = ",".join(request.headers.getall(hdrs.ACCEPT_ENCODING, ()))
    variant = file.gzipped if _takes_gzip(accepted) else file.plain
    if any(tag.value in (variant.etag, "*") for tag in request.if_none_match or ()):
        return web.Response(status=304, headers=variant.keeping)
    return web.Response(body=variant.body, headers={**variant.kind, **variant.keeping})


def _read(path: Path) -> File:
    body = path.read_bytes()
    # A vendored folder has its version in its name: what it holds never changes (RFC 8246).
    cached = FOR_EVER if "@" in path.parent.name else ASK_AGAIN
    kind: dict[str, str] = {hdrs.CONTENT_TYPE: f"{TYPES.get(path.suffix, OTHER)}; charset=utf-8"}
    return File(
        plain=_variant(body, kind, cached=cached),
        gzipped=_variant(
            gzip.compress(body, mtime=0), {**kind, hdrs.CONTENT_ENCODING: "gzip"}, cached=cached
        ),
    )


def _variant(body: bytes, kind: Mapping[str, str], *, cached: str) -> Variant:
    # Of these very bytes: a strong tag is another for each encoding (RFC 9110, 8.8.3.3).
    etag = sha256(body).hexdigest()[:32]
    keeping: dict[str, str] = {
        hdrs.ETAG: f'"{etag}"',
        hdrs.CACHE_CONTROL: cached,
        hdrs.VARY: hdrs.ACCEPT_ENCODING,
    }
    return Variant(body=body, etag=etag, kind=kind, keeping=keeping)


def _takes_gzip(accepted: str) -> bool:
    """Return whether gzip is named with a weight above 0 (RFC 9110, 12.5.3)."""
    for offer in accepted.lower().split(","):
        coding, *parameters = (part.strip() for part in offer.split(";"))
        if coding == "gzip":
            return all(p.removeprefix("q=").strip("0.") for p in parameters if p[:2] == "q=")
    return False
