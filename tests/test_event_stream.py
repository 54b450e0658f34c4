"""Bytes cut anywhere become whole events."""

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.backends.event_stream import MAX_EVENT_BYTES, EventSplitter, EventTooLarge

# Everything a server may mix: both line ends, comments, other fields, several data lines, Korean, an
# emoji of several code points, an event without data.
STREAM = (
    b": hello\r\n\r\n"
    b'data: {"a": "\xea\xb0\x80\xeb\x82\x98"}\n\n'
    b"event: message\r\nid: 7\r\ndata: one\r\ndata:two\r\n\r\n"
    b": keep-alive\n\n"
    b"retry: 10\n\n"
    b"data: \xf0\x9f\x91\xa9\xe2\x80\x8d\xf0\x9f\x91\xa7\n\n"
    b"data\n\n"
    b"data:  two spaces\n\n"
    b"data: [DONE]\n\n"
)
EVENTS = [
    b'{"a": "\xea\xb0\x80\xeb\x82\x98"}',
    b"one\ntwo",
    b"\xf0\x9f\x91\xa9\xe2\x80\x8d\xf0\x9f\x91\xa7",
    b" two spaces",
    b"[DONE]",
]

lines = st.one_of(
    st.binary(max_size=12).map(lambda b: b"data: " + b.replace(b"\n", b"").replace(b"\r", b"")),
    st.sampled_from([b"", b"", b": comment", b"data:", b"data", b"id: 1", b"event: x"]),
)
streams = st.lists(st.tuples(lines, st.sampled_from([b"\n", b"\r\n"])), max_size=20).map(
    lambda parts: b"".join(line + end for line, end in parts)
)


def split(stream: bytes, *cuts: int) -> list[bytes]:
    """Return the events of `stream`, fed in pieces cut at `cuts`."""
    splitter = EventSplitter()
    points = [0, *sorted(cuts), len(stream)]
    return [event for a, b in pairwise(points) for event in splitter.feed(stream[a:b])]


def test_whole_stream() -> None:
    """A stream in one piece gives its events in order, without comments and other fields."""
    assert split(STREAM) == EVENTS


def test_one_cut() -> None:
    """A cut at any byte changes nothing, not even inside a character or between CR and LF."""
    assert [cut for cut in range(len(STREAM) + 1) if split(STREAM, cut) != EVENTS] == []


def test_byte_by_byte() -> None:
    """A stream in single bytes gives the same events."""
    assert split(STREAM, *range(len(STREAM))) == EVENTS


@given(st.lists(st.integers(0, len(STREAM)), max_size=30))
def test_many_cuts(cuts: list[int]) -> None:
    """Any cuts together change nothing."""
    assert split(STREAM, *cuts) == EVENTS


@given(streams, st.data())
def test_any_stream(stream: bytes, data: st.DataObject) -> None:
    """Any stream gives the same events in one piece and in any pieces."""
    cuts = data.draw(st.lists(st.integers(0, len(stream)), max_size=10))

    assert split(stream, *cuts) == split(stream)


@given(st.lists(st.binary(max_size=64), max_size=20))
def test_any_bytes(chunks: list[bytes]) -> None:
    """Bytes that are no stream at all raise nothing."""
    splitter = EventSplitter()

    for chunk in chunks:
        splitter.feed(chunk)


def test_unfinished() -> None:
    """An event without its empty line is not given (WHATWG HTML, 9.2.6)."""
    assert split(b"data: half\n") == []


def test_event_completed_later() -> None:
    """An event is given by the very piece that brings its empty line."""
    splitter = EventSplitter()

    assert splitter.feed(b"data: a\n") == []
    assert splitter.feed(b"\n") == [b"a"]


def test_empty_chunk() -> None:
    """An empty piece gives nothing and loses nothing."""
    splitter = EventSplitter()
    splitter.feed(b"data: a")
    splitter.feed(b"")

    assert splitter.feed(b"\n\n") == [b"a"]


def test_event_of_maximum_size() -> None:
    """An event of MAX_EVENT_BYTES is an event."""
    data = b"x" * (MAX_EVENT_BYTES - len(b"data: "))

    assert split(b"data: " + data + b"\n\n") == [data]


def test_large_events_together() -> None:
    """Large events in one piece are no larger for being together."""
    data = b"x" * (MAX_EVENT_BYTES - len(b"data: "))
    event = b"data: " + data + b"\n\n"

    assert split(event * 3) == [data] * 3
    assert split(event * 3, len(event) + 100) == [data] * 3


def test_line_without_end() -> None:
    """A line that never ends is given up at MAX_EVENT_BYTES."""
    splitter = EventSplitter()

    with pytest.raises(EventTooLarge):
        for _ in range(MAX_EVENT_BYTES // 16_384 + 1):
            splitter.feed(b"x" * 16_384)


def test_event_without_end() -> None:
    """Data lines that never become an event are given up at MAX_EVENT_BYTES."""
    splitter = EventSplitter()

    with pytest.raises(EventTooLarge):
        for _ in range(MAX_EVENT_BYTES // 1024 + 1):
            splitter.feed(b"data: " + b"x" * 1024 + b"\n")


def test_empty_data_lines_count() -> None:
    """Empty data lines fill the memory too, so they count."""
    splitter = EventSplitter()

    with pytest.raises(EventTooLarge):
        for _ in range(MAX_EVENT_BYTES // 1024):
            splitter.feed(b"data:\n" * 1024)


def test_too_large_at_once() -> None:
    """An event over MAX_EVENT_BYTES is refused also when it comes in one piece, as from gzip."""
    with pytest.raises(EventTooLarge):
        split(b"data: " + b"x" * (MAX_EVENT_BYTES + 1) + b"\n\n")


def test_long_stream_of_small_events() -> None:
    """The limit is an event's, not the stream's."""
    splitter = EventSplitter()
    event = b"data: " + b"x" * 1024 + b"\n\n"

    count = sum(len(splitter.feed(event)) for _ in range(2 * MAX_EVENT_BYTES // 1024))

    assert count == 2 * MAX_EVENT_BYTES // 1024
