"""The bytes of an upstream's stream into chunks of its answer; no I/O."""

import logging

import msgspec

from gateway.backends.event_stream import EventSplitter
from gateway.backends.openai_wire import FINISH_REASONS, ContentDelta, Event, ReportedUsage
from gateway.chat.records import Chunk, FinishReason, Usage

logger = logging.getLogger(__name__)

DONE = b"[DONE]"
_decoder = msgspec.json.Decoder(Event)


class ErrorEvent(Exception):
    """An error came in the stream, in place of a chunk."""


# ValueError is EventTooLarge and bytes that are not UTF-8.
BAD_EVENTS = (msgspec.MsgspecError, ValueError, RecursionError, ErrorEvent)


class ChunkReader:
    """Takes bytes as they come; what comes together is one chunk, so that a burst costs as much as a word.

    `done` says that the stream said so; `broken` is what made the rest of it unreadable.
    """

    def __init__(self) -> None:
        self.done = False
        self.broken: Exception | None = None
        self._splitter = EventSplitter()

    def feed(self, data: bytes) -> Chunk | None:
        """Return what the events that `data` completes say, None where it completes none."""
        texts: list[str] = []
        reason: str | None = None
        usage: Usage | None = None
        seen = False
        try:
            for event in self._splitter.feed(data):
                if event == DONE:
                    self.done = True
                    break
                said = _decoder.decode(event)
                if said.error is not None:
                    raise ErrorEvent
                seen = True
                if said.usage is not None:
                    usage = _usage(said.usage)
                if said.choices:
                    choice = said.choices[0]
                    delta = choice.delta or ContentDelta()
                    texts.append(delta.content or delta.refusal or "")
                    reason = choice.finish_reason or reason
        except BAD_EVENTS as error:
            # What came before it is still to be handed out.
            self.broken = error
        if not seen:
            return None
        return Chunk(
            # Postgres cannot hold NUL, and no model means it.
            text="".join(texts).replace("\0", ""),
            finish_reason=FINISH_REASONS.get(reason, FinishReason.STOP) if reason else None,
            usage=usage,
        )


def _usage(bill: object) -> Usage | None:
    try:
        return msgspec.convert(bill, ReportedUsage).record()
    except msgspec.ValidationError:
        # The answer is good; it will be billed by our own count.
        logger.warning("upstream.usage_unreadable")
        return None
