"""HTTP as no client of good will writes it: two requests are never made of one, and no path leads out."""

import asyncio
import re
from collections.abc import AsyncIterator
from urllib.parse import urlsplit

import pytest

from gateway.backends.store import PostgresStore
from gateway.dev.embedded_server import EmbeddedServer
from tests.integration.helpers import failures
from tests.promises import GUARD_SECONDS
from tests.running_gateway import RunningGateway, running_gateway

# What is hidden in, or after, another request; its answer would say so.
HIDDEN = b"GET /api/reports/hidden HTTP/1.1\r\nHost: x\r\n\r\n"
HIDDEN_SAYS = b"report_not_found"
POST = b"POST /api/sessions HTTP/1.1\r\nHost: x\r\n"
GET = b"GET /health HTTP/1.1\r\nHost: x\r\n"
LENGTH = b"Content-Length: %d\r\n" % len(HIDDEN)
CHUNKED = b"Transfer-Encoding: chunked\r\n"
LAST = b"0\r\n\r\n"
# For one piece to be read before the next one comes.
MOMENT = 0.05


def with_length(value: bytes) -> bytes:
    """Return a request whose body has a length of that kind."""
    return POST + b"Content-Length: " + value + b"\r\n\r\n" + HIDDEN


def in_coding(value: bytes) -> bytes:
    """Return a request in a coding of that kind, which a neighbour might take for chunked."""
    return POST + b"Content-Length: 5\r\nTransfer-Encoding:" + value + b"\r\n\r\n" + LAST + HIDDEN


def in_chunks(first: bytes) -> bytes:
    """Return a request whose first chunk is that."""
    return POST + CHUNKED + b"\r\n" + first + LAST + HIDDEN


def with_line(line: bytes) -> bytes:
    """Return a request with that line in its head."""
    return b"GET /health HTTP/1.1\r\n" + line + b"Host: x\r\n" + LENGTH + b"\r\n" + HIDDEN


SMUGGLED = {
    "CL.TE": POST + b"Content-Length: 5\r\n" + CHUNKED + b"\r\n" + LAST + HIDDEN,
    "TE.CL": POST + CHUNKED + b"Content-Length: 4\r\n\r\n" + b"5c\r\n" + HIDDEN + LAST,
    "two codings": in_coding(b" chunked\r\nTransfer-Encoding: identity"),
    "a coding twice": in_coding(b" chunked\r\nTransfer-Encoding: chunked"),
    "chunked, then another": in_coding(b" chunked, identity"),
    "another, then chunked": in_coding(b" identity, chunked"),
    "an unknown coding": in_coding(b" xchunked"),
    "a coding with a control character": in_coding(b" \x0bchunked"),
    "a coding in quotes": in_coding(b' "chunked"'),
    "a coding folded": in_coding(b"\r\n chunked"),
    "a coding before a space": POST.replace(b"\r\nHost", b"\r\nTransfer-Encoding : chunked\r\nHost")
    + b"\r\n"
    + LAST
    + HIDDEN,
    "two lengths": with_length(b"0\r\nContent-Length: 5"),
    "lengths in a list": with_length(b"0, 5"),
    "a length with a plus": with_length(b"+0"),
    "a negative length": with_length(b"-1"),
    "a length in hex": with_length(b"0x0"),
    "a length with a space": with_length(b"0 0"),
    "a length with a line break": with_length(b"0\n0"),
    "a length with an underscore": with_length(b"0_0"),
    "a length in other digits": with_length("\u0660".encode()),
    "no length": with_length(b""),
    "a length beyond all": with_length(b"9" * 30),
    "a length before a space": with_line(b"Content-Length : 0\r\n"),
    "bare LF in the head": b"GET /health HTTP/1.1\nHost: x\nX: y\n\n" + HIDDEN,
    "bare LF after a header": with_line(b"X: y\n"),
    "bare LF at the end of the head": GET + b"X: y\r\n\n" + HIDDEN,
    "bare CR in a header": with_line(b"X: y\rContent-Length: 0\r\n"),
    "NUL in a value": with_line(b"X: \x00\r\n"),
    "NUL in a name": with_line(b"X\x00: y\r\n"),
    "a space in a name": with_line(b"X y: z\r\n"),
    "no name": with_line(b": y\r\n"),
    "no colon": with_line(b"X\r\n"),
    "a folded header": with_line(b"X: y\r\n Content-Length: 0\r\n"),
    "a folded first line": with_line(b" X: y\r\n"),
    "two hosts": with_line(b"Host: evil.example\r\n"),
    "no host": b"GET /health HTTP/1.1\r\n" + LENGTH + b"\r\n" + HIDDEN,
    "a chunk extension with bare LF": in_chunks(b"1;x\ny\r\n \r\n"),
    "a chunk size ended with bare LF": in_chunks(b"1\n \r\n"),
    "chunk data ended with bare LF": in_chunks(b"1\r\n \n"),
    "chunk data too long": in_chunks(b"1\r\n    \r\n"),
    "a chunk size with a plus": in_chunks(b"+1\r\n \r\n"),
    "a chunk size with 0x": in_chunks(b"0x1\r\n \r\n"),
    "a chunk size with an underscore": in_chunks(b"1_0\r\n                \r\n"),
    "a chunk size with a space": in_chunks(b" 1\r\n \r\n"),
    "a negative chunk size": in_chunks(b"-1\r\n \r\n"),
    "a chunk size beyond all": in_chunks(b"F" * 17 + b"\r\n \r\n"),
    "no chunk size": in_chunks(b"\r\n \r\n"),
    "another version": GET.replace(b"HTTP/1.1", b"HTTP/1.9.1") + b"\r\n" + HIDDEN,
    "no version": b"GET /health\r\n\r\n" + HIDDEN,
    "a version in small letters": GET.replace(b"HTTP", b"http") + b"\r\n" + HIDDEN,
    "a method that is none": GET.replace(b"GET", b"G@T") + b"\r\n" + HIDDEN,
    "HTTP/2 without asking": b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + HIDDEN,
    "TLS": b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + HIDDEN,
    "a head too long": GET + b"X: " + b"y" * 10_000 + b"\r\n\r\n" + HIDDEN,
    "too many headers": GET + b"X: y\r\n" * 1_000 + b"\r\n" + HIDDEN,
}
# One request with a body that looks like another: well formed, and answered once.
SWALLOWED = {
    "a body with a length": POST + LENGTH + b"\r\n" + HIDDEN,
    "a body in a chunk": in_chunks(b"%x\r\n" % len(HIDDEN) + HIDDEN + b"\r\n").removesuffix(HIDDEN),
    "a body that nobody wants": GET + LENGTH + b"\r\n" + HIDDEN,
    "a chunk with an extension": POST
    + CHUNKED
    + b"\r\n"
    + b"%x;a=b\r\n" % len(HIDDEN)
    + HIDDEN
    + b"\r\n"
    + LAST,
    # Refused, or taken for a request without a body, after which the connection is closed.
    "chunked in HTTP/1.0": POST.replace(b"1.1", b"1.0") + CHUNKED + b"\r\n" + LAST + HIDDEN,
    "a trailer": POST + CHUNKED + b"\r\n0\r\nContent-Length: 4\r\n\r\n",
}

UP = (
    *(
        "..",
        "%2e%2e",
        ".%2e",
        "%2E.",
        "%252e%252e",
        "..%00",
        "..;",
        "..%3b",
        "...",
        "....",
        "..%20",
    ),
    *("%c0%ae%c0%ae", "%e0%80%ae%e0%80%ae", "%uff0e%uff0e", "\xc0\xae\xc0\xae", "..%5c", "..\\"),
)
# The page's files are three folders down from nowhere, at the most.
PATHS = (
    *(f"/static/{f'{up}/' * 6}etc/passwd" for up in UP),
    *(f"/static/{f'{up}%2f' * 6}etc/passwd" for up in UP),
    *(f"/static/js/{up}/{up}/gateway.ini" for up in UP),
    *(f"/{up}/gateway.ini" for up in UP),
    *("/static//etc/passwd", "/static/%2fetc%2fpasswd", "/static/C:%5cWindows%5cwin.ini"),
    *("/static/", "/static/.", "/static/..", "/static/%00", "/static/js/main.js%00.css"),
    *("/static/js/../js/main.js", "/static/./index.html", "/static/js//main.js", "/index.html"),
    *("/.git/config", "/.env", "/gateway.ini", "/static/.git/config", "/static/%2e/index.html"),
    *("http://x/static/../gateway.ini", "/static/js/main.js/", "/static/js/main.js/../../.."),
    # Those of the ops listener.
    *("/metrics", "/livez", "/readyz", "/healthz", "/figures", "/traces", "/traces/x"),
)


@pytest.fixture
async def gateway(
    store: PostgresStore,
    postgres: EmbeddedServer,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> AsyncIterator[RunningGateway]:
    """A gateway at which nothing crashes, and that waits for no second request."""
    monkeypatch.setattr("gateway.serve.KEEPALIVE_SECONDS", 0.3)
    monkeypatch.setattr("gateway.serve.LINGER_SECONDS", 0.3)
    monkeypatch.setattr("gateway.web.rest.BODY_SECONDS", 0.3)
    async with running_gateway(database=postgres.url) as gateway:
        yield gateway
    assert failures(caplog) == []


async def answers(gateway: RunningGateway, *pieces: bytes) -> tuple[list[int], bytes]:
    """Send bytes; returns the statuses of all answers until the end, and all that was said."""
    address = urlsplit(gateway.url)
    reader, writer = await asyncio.open_connection(address.hostname, address.port)
    try:
        for piece in pieces:
            writer.write(piece)
            await asyncio.sleep(MOMENT)
        said = b""
        async with asyncio.timeout(GUARD_SECONDS):
            try:
                while data := await reader.read(65536):
                    said += data
            except ConnectionError:
                # It was closed with something unread.
                pass
    finally:
        writer.transport.abort()
    return [int(status) for status in re.findall(rb"HTTP/1\.[01] (\d{3}) ", said)], said


async def all_answers(
    gateway: RunningGateway, corpus: dict[str, bytes], *, cut: bytes = b""
) -> dict[str, tuple[list[int], bytes]]:
    """Send each of `corpus`, all at once, each in two pieces where it has `cut` in it."""

    def pieces(raw: bytes) -> list[bytes]:
        head, mark, rest = raw.partition(cut) if cut else (raw, b"", b"")
        return [head + mark, rest] if rest else [raw]

    said = await asyncio.gather(*(answers(gateway, *pieces(raw)) for raw in corpus.values()))
    return dict(zip(corpus, said, strict=True))


WHERE_CUT = pytest.mark.parametrize(
    "cut", [b"", b"\r\n\r\n", b"HTTP"], ids=["whole", "body later", "cut early"]
)


@WHERE_CUT
async def test_smuggled_requests(gateway: RunningGateway, cut: bytes) -> None:
    """What can be read in two ways is refused, and the connection closed; what it hides is never answered."""
    told = await all_answers(gateway, SMUGGLED, cut=cut)
    # 408: the head was good, and so much is wrong with the body that it never ends.
    assert {n: s for n, (s, _) in told.items() if s not in ([], [400], [408])} == {}
    assert [name for name, (_, said) in told.items() if HIDDEN_SAYS in said] == []


@WHERE_CUT
async def test_swallowed_requests(gateway: RunningGateway, cut: bytes) -> None:
    """What looks like a request in the body of another one is a body, and not answered."""
    told = await all_answers(gateway, SWALLOWED, cut=cut)
    assert {name: s for name, (s, _) in told.items() if len(s) != 1} == {}
    assert [name for name, (_, said) in told.items() if HIDDEN_SAYS in said] == []


async def test_paths_that_lead_out(gateway: RunningGateway) -> None:
    """No path leads out of the page's files, however it is spelt."""
    told = await all_answers(
        gateway,
        {path: f"GET {path} HTTP/1.1\r\nHost: x\r\n\r\n".encode("latin-1") for path in PATHS},
    )
    # 400: what is not UTF-8 is no path.
    assert {path: s for path, (s, _) in told.items() if s not in ([404], [400])} == {}
