"""Frames as Server-Sent Events: one more follower of a turn."""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import aclosing
from uuid import UUID

from aiohttp import ClientError, hdrs, web

from gateway.chat.frames import Accept, Delta, Done, Error, Snapshot, TurnFrame, encode
from gateway.web.counts import Admission, Drop, Transport
from gateway.web.keys import COUNTS
from gateway.web.outlet import SEND_SECONDS, Close

# Shows a reader that left, which nothing else would while there is nothing to write, and keeps proxies open.
COMMENT_SECONDS = 15.0
COMMENT = b": still here\n\n"
# What a WebSocket has where the reader just leaves (RFC 6455, 7.4.1).
LEFT = 1006
HEADERS = {
    hdrs.CONTENT_TYPE: "text/event-stream; charset=utf-8",
    hdrs.CACHE_CONTROL: "no-store, no-transform",
    # nginx would keep the answer until it is complete.
    "X-Accel-Buffering": "no",
}


async def send_events(
    request: web.Request,
    frames: AsyncGenerator[TurnFrame, None],
    *,
    turn_id: UUID,
    after: int,
) -> web.StreamResponse:
    """Send `frames` of a turn until its end or until the reader leaves; `id` is `turn_id:position`."""
    response = web.StreamResponse(headers=HEADERS)
    await response.prepare(request)
    position, counts, code = after, request.app[COUNTS], LEFT
    counts.admissions[Transport.SSE, Admission.ACCEPTED] += 1
    counts.streams += 1
    try:
        # In this order: `frames` cannot be closed as long as somebody waits for its next.
        async with aclosing(frames), aclosing(_with_silence(frames)) as shown:
            async for frame in shown:
                match frame:
                    case Delta(to=to) | Snapshot(to=to) | Done(to=to):
                        position = to
                    case Error(to=int(to)):
                        position = to
                    case Accept(turn_id=turn_id):
                        pass
                if frame is not None:
                    counts.sent[type(frame)] += 1
                async with asyncio.timeout(SEND_SECONDS):
                    await response.write(_event(frame, turn_id=turn_id, position=position))
        if request.transport is not None:
            # Until the last byte is out: aiohttp would leave to us what a stalled reader never takes.
            request.transport.set_write_buffer_limits(high=0)
        async with asyncio.timeout(SEND_SECONDS):
            await response.write_eof()
        if request.transport is not None:
            request.transport.set_write_buffer_limits()
        code = Close.OK
    except TimeoutError:
        counts.drops[Drop.SLOW] += 1
        code = Close.SLOW_READER
        if request.transport is not None:
            request.transport.abort()
    except (ClientError, ConnectionError):
        # It left. The turn goes on for whoever resumes it.
        return response
    finally:
        counts.streams -= 1
        counts.disconnected(Transport.SSE, code)
    return response


async def _with_silence(
    frames: AsyncGenerator[TurnFrame, None],
) -> AsyncGenerator[TurnFrame | None, None]:
    """Yield the frames, and None whenever there was none for `COMMENT_SECONDS`."""
    upcoming: asyncio.Task[TurnFrame] | None = None
    try:
        while True:
            upcoming = upcoming or asyncio.ensure_future(anext(frames))
            # Not a timeout around anext(): that would end the generator.
            done, _ = await asyncio.wait({upcoming}, timeout=COMMENT_SECONDS)
            if not done:
                yield None
                continue
            try:
                frame = upcoming.result()
            except StopAsyncIteration:
                return
            upcoming = None
            yield frame
    finally:
        if upcoming is not None:
            upcoming.cancel()
            await asyncio.gather(upcoming, return_exceptions=True)


def _event(frame: TurnFrame | None, *, turn_id: UUID, position: int) -> bytes:
    if frame is None:
        return COMMENT
    kind = frame.__struct_config__.tag
    return b"event: %s\nid: %s:%d\ndata: %s\n\n" % (
        str(kind).encode(),
        str(turn_id).encode(),
        position,
        encode(frame),
    )
