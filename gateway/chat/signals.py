"""What the processes of one gateway tell each other."""

from uuid import UUID

import msgspec

from gateway.chat.frames import Accept, Done, Error


class Signal(msgspec.Struct, frozen=True, kw_only=True, tag_field="kind", tag=str.lower):
    """Something every process should hear; `origin` is the process that says it."""

    origin: UUID


class Here(Signal, frozen=True, kw_only=True):
    """There is a process at `origin`."""


class Started(Signal, frozen=True, kw_only=True):
    """A turn runs at `origin`; whoever has viewers of its session may show it."""

    session_id: UUID
    accept: Accept


class Wanted(Signal, frozen=True, kw_only=True):
    """Somebody at `origin` watches a turn, and lacks what comes after position `after`."""

    turn_id: UUID
    after: int


class Cancelled(Signal, frozen=True, kw_only=True):
    """A reader at `origin` wants a turn stopped."""

    turn_id: UUID


AnySignal = Here | Started | Wanted | Cancelled


class Pieces(msgspec.Struct, frozen=True, kw_only=True, tag="pieces"):
    """Pieces of an answer, the first of them number `start + 1`."""

    start: int
    texts: tuple[str, ...]


class Ended(msgspec.Struct, frozen=True, kw_only=True, tag="ended"):
    """The frame a turn ended with, after `to` pieces."""

    to: int
    end: Done | Error


Part = Pieces | Ended
