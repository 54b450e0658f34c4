"""What came together is one chunk, and nothing that came before a fault is lost."""

from gateway.backends.chunk_reader import ChunkReader, ErrorEvent
from gateway.backends.event_stream import EventTooLarge
from gateway.chat.records import Chunk, FinishReason, Usage
from tests.raw_upstream import DONE, content, event, finish, usage


def test_what_comes_together_is_one_chunk() -> None:
    """Events of one packet give one chunk of all they say."""
    data = content("Reve") + content("nue.") + finish() + usage() + DONE
    assert ChunkReader().feed(data) == Chunk(
        text="Revenue.",
        finish_reason=FinishReason.STOP,
        usage=Usage(input_tokens=12, output_tokens=3),
    )


def test_half_an_event_is_nothing_yet() -> None:
    """Bytes that complete no event give no chunk; the rest of it gives it."""
    reader, data = ChunkReader(), content("a")
    assert (reader.feed(data[:20]), reader.feed(data[20:])) == (None, Chunk(text="a"))


def test_event_without_text_is_a_chunk() -> None:
    """An event that says nothing is still a sign that the upstream answers."""
    assert ChunkReader().feed(event({"choices": []})) == Chunk()


def test_done_is_no_chunk() -> None:
    """The end of the stream is said apart."""
    reader = ChunkReader()
    assert (reader.feed(DONE), reader.done) == (None, True)


def test_nothing_is_read_after_done() -> None:
    """What follows the end in the same packet is not read."""
    assert ChunkReader().feed(content("a") + DONE + content("b")) == Chunk(text="a")


def test_text_before_an_error_is_kept() -> None:
    """An error in the stream breaks it, after what came before it in the same packet."""
    reader = ChunkReader()
    assert reader.feed(content("a") + event({"error": {"message": "x"}})) == Chunk(text="a")
    assert isinstance(reader.broken, ErrorEvent)


def test_text_before_junk_is_kept() -> None:
    """An event that is not JSON breaks the stream, after what came before it."""
    reader = ChunkReader()
    assert reader.feed(content("a") + b"data: junk\n\n") == Chunk(text="a")
    assert reader.broken is not None


def test_event_without_end_breaks_the_stream() -> None:
    """An event that grows without end is given up."""
    reader = ChunkReader()
    assert reader.feed(b"data: " + b"x" * 2_000_000) is None
    assert isinstance(reader.broken, EventTooLarge)
