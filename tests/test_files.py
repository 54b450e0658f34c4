"""Files in memory: compressed for who takes that, fetched only once, and nothing but what is there."""

import gzip
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest
from aiohttp import ClientResponse, hdrs, web
from aiohttp.test_utils import TestClient
from yarl import URL

from gateway.web.pages import HEADERS, add_pages

Client = TestClient[web.Request, web.Application]
PAGE = b"<!doctype html>" + b"<p>text</p>" * 99
SCRIPT = b"export const a = 1;\n" * 99


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A page with a script, a vendored library, and a file beside it that is none of its own."""
    folder = tmp_path / "static"
    vendored = folder / "vendor" / "marked@1.0.0"
    vendored.mkdir(parents=True)
    (folder / "js").mkdir()
    (folder / "index.html").write_bytes(PAGE)
    (folder / "js" / "main.js").write_bytes(SCRIPT)
    (vendored / "marked.esm.js").write_bytes(SCRIPT)
    (vendored / "LICENSE").write_bytes(b"Free.")
    (folder / "vendor" / "VENDOR.json").write_bytes(b"{}")
    (tmp_path / "secret.txt").write_bytes(b"secret")
    (folder / "link.txt").symlink_to(tmp_path / "secret.txt")
    (folder / "out").symlink_to(tmp_path)
    return folder


@pytest.fixture
async def client(folder: Path, aiohttp_client: Callable[..., Awaitable[Client]]) -> Client:
    """Somebody who gets the bytes as they travel."""
    app = web.Application()
    add_pages(app, static=folder)
    return await aiohttp_client(
        app, auto_decompress=False, skip_auto_headers=[hdrs.ACCEPT_ENCODING]
    )


async def get(
    client: Client, path: str = "/static/js/main.js", *, accepted: str | None = None, **headers: str
) -> tuple[ClientResponse, bytes]:
    """Return the response and its body; `accepted` is what Accept-Encoding says."""
    said = {} if accepted is None else {hdrs.ACCEPT_ENCODING: accepted}
    async with client.get(URL(path, encoded=True), headers=said | headers) as response:
        return response, await response.read()


@pytest.mark.parametrize("accepted", ["gzip", "gzip, deflate, br, zstd", "br;q=1, GZIP ; q=0.001"])
async def test_compressed(client: Client, accepted: str) -> None:
    """Who takes gzip gets the compressed file."""
    response, body = await get(client, accepted=accepted)
    assert response.headers[hdrs.CONTENT_ENCODING] == "gzip"
    assert gzip.decompress(body) == SCRIPT


@pytest.mark.parametrize("accepted", [None, "", "identity", "br", "gzip;q=0", "gzip; q=0.000, br"])
async def test_not_compressed(client: Client, accepted: str | None) -> None:
    """Who does not take gzip gets the file as it is."""
    response, body = await get(client, accepted=accepted)
    assert hdrs.CONTENT_ENCODING not in response.headers
    assert body == SCRIPT


@pytest.mark.parametrize("accepted", ["gzip", "identity"])
async def test_both_say_that_there_are_two(client: Client, accepted: str) -> None:
    """A cache between us and many browsers is told that the answer depends on what each takes."""
    response, _ = await get(client, accepted=accepted)
    assert response.headers[hdrs.VARY] == "Accept-Encoding"


async def test_tags_tell_encodings_apart(client: Client) -> None:
    """Different bytes have different strong tags."""
    compressed, _ = await get(client, accepted="gzip")
    plain, _ = await get(client)
    assert compressed.headers[hdrs.ETAG] != plain.headers[hdrs.ETAG]
    assert not compressed.headers[hdrs.ETAG].startswith("W/")


@pytest.mark.parametrize("form", ["{}", "W/{}", '"other", {}', "*"])
async def test_what_is_there_is_not_sent_again(client: Client, form: str) -> None:
    """Who has the file, by whatever form of its tag, gets 304 and no body."""
    first, _ = await get(client, accepted="gzip")
    known = {hdrs.IF_NONE_MATCH: form.format(first.headers[hdrs.ETAG])}
    again, body = await get(client, accepted="gzip", **known)
    assert (again.status, body) == (304, b"")
    for name in (hdrs.ETAG, hdrs.CACHE_CONTROL, hdrs.VARY):
        assert again.headers[name] == first.headers[name]


async def test_what_has_changed_is_sent(client: Client) -> None:
    """Another tag brings the file."""
    response, body = await get(client, **{hdrs.IF_NONE_MATCH: '"other"'})
    assert (response.status, body) == (200, SCRIPT)


async def test_head(client: Client) -> None:
    """HEAD says all that GET says, without the file."""
    async with client.head("/static/js/main.js", headers={hdrs.ACCEPT_ENCODING: "gzip"}) as head:
        assert await head.read() == b""
    whole, body = await get(client, accepted="gzip")
    assert head.status == 200
    assert head.headers[hdrs.CONTENT_LENGTH] == str(len(body))
    for name in (hdrs.ETAG, hdrs.CONTENT_TYPE, hdrs.CONTENT_ENCODING, hdrs.CACHE_CONTROL):
        assert head.headers[name] == whole.headers[name]


@pytest.mark.parametrize(
    ("path", "kind"),
    [
        ("/", "text/html"),
        ("/static/js/main.js", "text/javascript"),
        ("/static/vendor/VENDOR.json", "application/json"),
        ("/static/vendor/marked@1.0.0/LICENSE", "text/plain"),
    ],
)
async def test_types(client: Client, path: str, kind: str) -> None:
    """Each file says what it is, in UTF-8."""
    response, _ = await get(client, path)
    assert response.headers[hdrs.CONTENT_TYPE] == f"{kind}; charset=utf-8"


@pytest.mark.parametrize(
    ("path", "cached"),
    [
        ("/", "no-cache"),
        ("/static/js/main.js", "no-cache"),
        ("/static/vendor/VENDOR.json", "no-cache"),
        ("/static/vendor/marked@1.0.0/marked.esm.js", "public, max-age=31536000, immutable"),
        ("/static/vendor/marked%401.0.0/marked.esm.js", "public, max-age=31536000, immutable"),
        ("/static/vendor/marked@1.0.0/none.js", "no-cache"),
    ],
)
async def test_how_long_to_keep(client: Client, path: str, cached: str) -> None:
    """What carries its version in its address is kept; all else is asked for again."""
    response, _ = await get(client, path)
    assert response.headers[hdrs.CACHE_CONTROL] == cached


@pytest.mark.parametrize(
    "path",
    [
        "/static/none.js",
        "/static/",
        "/static/js",
        "/static/js/",
        "/static/link.txt",
        "/static/out/secret.txt",
        "/static/../secret.txt",
        "/static/%2e%2e/secret.txt",
        "/static/js/..%2f..%2f..%2fsecret.txt",
        "/static//js/main.js",
        "/static/js/main.js%00",
    ],
)
async def test_nothing_else(client: Client, path: str) -> None:
    """What is no file of the page, is outside of it or leads there is not found."""
    response, body = await get(client, path)
    assert response.status == 404
    assert b"secret" not in body


@pytest.mark.parametrize("path", ["/", "/static/js/main.js", "/static/none.js"])
async def test_security_headers(client: Client, path: str) -> None:
    """Every answer carries the security headers."""
    response, _ = await get(client, path)
    assert {name: response.headers[name] for name in HEADERS} == HEADERS
