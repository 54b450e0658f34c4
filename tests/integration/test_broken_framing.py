"""WebSockets as no client of good will speaks them (RFC 6455): closed with 1002, and nothing crashes."""

import asyncio
import struct
from contextlib import suppress
from urllib.parse import urlsplit

import pytest

from gateway.backends.postgres import Database
from gateway.chat.frames import FRAME_BYTES
from gateway.dev.embedded_server import EmbeddedServer
from tests.integration.helpers import failures
from tests.integration.test_slow_clients import UPGRADE
from tests.promises import GUARD_SECONDS
from tests.running_gateway import RunningGateway, running_gateway

CONTINUATION, TEXT, BINARY, CLOSE, PING = 0, 1, 2, 8, 9
MASK = b"\x01\x02\x03\x04"


def frame(opcode: int, payload: bytes = b"", *, fin: bool = True, rsv: int = 0) -> bytes:
    """Return a frame as a client sends it, masked."""
    head = bytes([fin << 7 | rsv << 4 | opcode])
    if len(payload) < 126:
        head += bytes([0x80 | len(payload)])
    else:
        head += b"\xfe" + struct.pack("!H", len(payload))
    return head + MASK + bytes(byte ^ MASK[n % 4] for n, byte in enumerate(payload))


# What is sent after the upgrade, and the code it is closed with. Not among them: a frame without a mask,
# which aiohttp takes although RFC 6455 (5.1) says otherwise; the mask protects proxies, not servers.
BROKEN = {
    "a reserved bit": (frame(TEXT, b"{}", rsv=1), 1002),
    "the bit of compression": (frame(TEXT, b"{}", rsv=4), 1002),
    "a reserved opcode": (frame(3, b"{}"), 1002),
    "a reserved control opcode": (frame(11), 1002),
    "a ping too long": (frame(PING, b"x" * 126), 1002),
    "a ping in fragments": (frame(PING, b"x", fin=False), 1002),
    "a continuation of nothing": (frame(CONTINUATION, b"x"), 1002),
    "a frame amid fragments": (frame(TEXT, b"{", fin=False) + frame(TEXT, b"}"), 1002),
    "a close of one byte": (frame(CLOSE, b"x"), 1002),
    "a close with a code that is none": (frame(CLOSE, struct.pack("!H", 999)), 1002),
    "a close with a reserved code": (frame(CLOSE, struct.pack("!H", 1005)), 1002),
    "a close whose reason is not UTF-8": (frame(CLOSE, struct.pack("!H", 1000) + b"\xff"), 1007),
    "a length of 2**63": (b"\x81\xff" + b"\xff" * 8 + MASK, 1009),
    "a length past the limit": (b"\x81\xff" + struct.pack("!Q", FRAME_BYTES * 10) + MASK, 1009),
    "fragments past the limit": (
        frame(TEXT, b"x" * 60_000, fin=False) + frame(CONTINUATION, b"x" * 60_000),
        1009,
    ),
    "fragments that are not UTF-8": (
        frame(TEXT, b'{"type":"\xff', fin=False) + frame(CONTINUATION, b'"}'),
        1007,
    ),
    "HTTP": (b"GET /health HTTP/1.1\r\nHost: x\r\n\r\n", 1002),
}


async def close_code(gateway: RunningGateway, raw: bytes) -> int | None:
    """Send bytes after the upgrade and return the code of the close that answers, None without one."""
    address = urlsplit(gateway.url)
    reader, writer = await asyncio.open_connection(address.hostname, address.port)
    try:
        writer.write(UPGRADE.encode())
        await reader.readuntil(b"\r\n\r\n")
        writer.write(raw)
        said = b""
        async with asyncio.timeout(GUARD_SECONDS):
            with suppress(ConnectionError):
                while data := await reader.read(65536):
                    said += data
                    if said[-4:-2] == b"\x88\x02":
                        break
    finally:
        writer.transport.abort()
    return int.from_bytes(said[-2:], "big") if said[-4:-2] == b"\x88\x02" else None


async def test_broken_framing(
    postgres: EmbeddedServer, database: Database, caplog: pytest.LogCaptureFixture
) -> None:
    """What is no frame closes the connection with the code that the RFC has for it."""
    async with running_gateway(database=postgres.url) as gateway:
        codes = await asyncio.gather(*(close_code(gateway, raw) for raw, _ in BROKEN.values()))
    told = dict(zip(BROKEN, codes, strict=True))
    assert told == {name: code for name, (_, code) in BROKEN.items()}
    assert failures(caplog) == []
