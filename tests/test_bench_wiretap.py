"""Round trips are counted on the wire, however the bytes are cut."""

from collections import Counter

import pytest

from tests.bench.wiretap import Heard, PostgresLine, RedisLine


def message(kind: bytes, body: bytes = b"") -> bytes:
    """Return a message of Postgres."""
    return kind + (len(body) + 4).to_bytes(4, "big") + body


STATEMENTS = (
    message(b"T", b"Z columns C")
    + message(b"C", b"SELECT 1\0")
    + message(b"Z", b"I")
    + message(b"C", b"INSERT 0 1\0")
    + message(b"C", b"COMMIT\0")
    + message(b"Z", b"I")
)


@pytest.mark.parametrize("size", [1, 3, 1000])
def test_postgres(size: int) -> None:
    """A round trip ends when Postgres is ready again, also where it did several statements."""
    heard = Heard()
    line = PostgresLine(heard)
    for start in range(0, len(STATEMENTS), size):
        line.told(STATEMENTS[start : start + size])
    assert heard.round_trips == Counter({"select": 1, "commit": 1})


def test_redis() -> None:
    """A round trip begins when the gateway speaks after it was answered; commands sent together are one."""
    heard = Heard()
    line = RedisLine(heard)
    line.asked(b"*2\r\n$3\r\nGET\r\n$1\r\na\r\n")
    line.told(b"$-1\r\n")
    line.asked(b"*3\r\n$3\r\nSET\r\n$1\r\na\r\n$1\r\nb\r\n")
    line.asked(b"*2\r\n$3\r\nGET\r\n$1\r\na\r\n")
    line.told(b"+OK\r\n$1\r\nb\r\n")
    assert heard.round_trips == Counter({"get": 1, "set": 1})
