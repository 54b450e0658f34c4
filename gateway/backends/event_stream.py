"""Split the bytes of a Server-Sent-Events stream into the data of its events; no I/O.

Rules of https://html.spec.whatwg.org/multipage/server-sent-events.html#parsing-an-event-stream, as far as
OpenAI-compatible servers use them: LF or CRLF, comments, several `data:` lines, no names and no ids.
"""

# OpenAI's events are a few hundred bytes. A stream without line ends must not fill the memory.
MAX_EVENT_BYTES = 1_048_576


class EventTooLarge(ValueError):
    """An event passed `MAX_EVENT_BYTES`."""


class EventSplitter:
    """Takes bytes cut anywhere, even inside a character, and gives whole events."""

    def __init__(self) -> None:
        self._tail = b""
        self._data: list[bytes] = []
        self._size = 0

    def feed(self, chunk: bytes) -> list[bytes]:
        """Return the data of the events that `chunk` completes; raises `EventTooLarge`."""
        lines = (self._tail + chunk).split(b"\n") if self._tail else chunk.split(b"\n")
        self._tail = lines.pop()
        events = []
        for line in lines:
            if line.startswith(b"data:"):
                self._data.append(line[5:].removesuffix(b"\r").removeprefix(b" "))
                self._size += len(line)
                if self._size > MAX_EVENT_BYTES:
                    raise EventTooLarge
            elif line in (b"", b"\r") and self._data:
                events.append(b"\n".join(self._data))
                self._data.clear()
                self._size = 0
        if self._size + len(self._tail) > MAX_EVENT_BYTES:
            raise EventTooLarge
        return events
