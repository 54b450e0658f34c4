"""What is counted at the doors is of closed sets."""

import pytest

from gateway.web.counts import CLOSE_CODES, Counts, Transport
from gateway.web.outlet import Close


def test_our_close_codes_are_known() -> None:
    """Each code we close with has a counter of its own."""
    assert set(Close) <= CLOSE_CODES


@pytest.mark.parametrize(
    ("code", "counted"),
    [(1000, "1000"), (4502, "4502"), (None, "1006"), (3999, "other"), (70_000, "other")],
)
def test_disconnects(code: int | None, counted: str) -> None:
    """A code that only a client can have made up is `other`; no close at all is 1006."""
    counts = Counts()
    size = len(counts.disconnects)
    counts.disconnected(Transport.WEBSOCKET, code)
    assert counts.disconnects[Transport.WEBSOCKET, counted] == 1
    assert len(counts.disconnects) == size
