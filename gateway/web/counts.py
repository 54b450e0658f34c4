"""What happened at the doors of this process, in plain numbers: nothing dearer would do on the hot path."""

from collections.abc import Iterator
from contextlib import contextmanager
from enum import StrEnum, unique
from itertools import product
from typing import get_args

from gateway.chat.codes import Code
from gateway.chat.errors import UnknownTurn
from gateway.chat.frames import AnyClientFrame, AnyServerFrame


@unique
class Transport(StrEnum):
    """How somebody is connected."""

    WEBSOCKET = "websocket"
    SSE = "sse"


@unique
class Admission(StrEnum):
    """What came of an attempt to connect."""

    ACCEPTED = "accepted"
    ORIGIN = "origin"
    LIMIT = "limit"
    DRAINING = "draining"
    BAD_REQUEST = "bad_request"


@unique
class Resumption(StrEnum):
    """What somebody was shown who came back to an answer."""

    TAIL = "tail"
    SNAPSHOT = "snapshot"
    UNKNOWN = "unknown"


@unique
class Drop(StrEnum):
    """Why a connection was dropped that took nothing any more."""

    SLOW = "slow"
    NO_PONG = "no_pong"


# Those of RFC 6455 (7.4.1) that occur, and ours (docs/protocol.md); a client may send any other.
CLOSE_CODES = frozenset(
    {1000, 1001, 1002, 1003, 1005, 1006, 1007, 1009, 1011, 1012, 1013}
    | {4000, 4001, 4029, 4500, 4502, 4503, 4506, 4508}
)
OTHER = "other"
CODES = (*map(str, sorted(CLOSE_CODES)), OTHER)


class Counts:
    """Counters since the start, each of a closed set, so that none is missing before it first moves."""

    def __init__(self) -> None:
        self.admissions = dict.fromkeys(product(Transport, Admission), 0)
        self.disconnects = dict.fromkeys(product(Transport, CODES), 0)
        # The event streams that are open; WebSockets are kept in a set anyway.
        self.streams = 0
        self.received: dict[type, int] = dict.fromkeys(get_args(AnyClientFrame), 0)
        self.invalid = 0
        self.sent: dict[type, int] = dict.fromkeys(get_args(AnyServerFrame), 0)
        self.resumptions = dict.fromkeys(Resumption, 0)
        self.drops = dict.fromkeys(Drop, 0)
        self.errors = dict.fromkeys(Code, 0)

    @contextmanager
    def resuming(self) -> Iterator[None]:
        """Count an answer that somebody came back to and that the block does not find."""
        try:
            yield
        except UnknownTurn:
            self.resumptions[Resumption.UNKNOWN] += 1
            raise

    def resumed(self, *, whole: bool) -> None:
        """Count an answer that somebody came back to: shown from where they were, or as a whole."""
        self.resumptions[Resumption.SNAPSHOT if whole else Resumption.TAIL] += 1

    def disconnected(self, transport: Transport, code: int | None) -> None:
        """Count the end of a connection; None where there was no close at all."""
        known = str(code) if code in CLOSE_CODES else OTHER
        self.disconnects[transport, known if code is not None else "1006"] += 1
