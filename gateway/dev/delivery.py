"""Deliver a reply at a model's pace, with its fault, and notice at once when the client leaves."""

import time
from dataclasses import dataclass

import msgspec
from aiohttp import web
from msgspec import UNSET, UnsetType

from gateway.dev.connection import HANG_SECONDS, hold, reset, wait_until
from gateway.dev.faults import CUT_MIDWAY, SERVER_ERROR, Fault
from gateway.dev.openai_wire import (
    AnswerMessage,
    Choice,
    Chunk,
    ChunkChoice,
    Completion,
    Delta,
    ErrorEnvelope,
    FinishReason,
    Usage,
    event,
)
from gateway.dev.pieces import Piece
from gateway.dev.seen import SeenRequest, SimulatorLog

COMMENT_SECONDS = 0.2
SLOW_FIRST_TOKEN_SECONDS = 4.0
SLOW_TOKENS_PER_SECOND = 2.0


@dataclass(frozen=True)
class SimulatorOptions:
    """The pace of the answers; 0 tokens a second is flat out."""

    tokens_per_second: float = 40.0
    first_token_seconds: float = 0.3

    def under(self, fault: Fault | None) -> "SimulatorOptions":
        """Return the pace when `fault` is played."""
        if fault is Fault.SLOW:
            return SimulatorOptions(SLOW_TOKENS_PER_SECOND, SLOW_FIRST_TOKEN_SECONDS)
        return self

    def seconds_until(self, tokens: int) -> float:
        """Return when the first `tokens` tokens are out, in seconds from the start."""
        if not self.tokens_per_second:
            return self.first_token_seconds
        return self.first_token_seconds + (tokens - 1) / self.tokens_per_second


@dataclass(frozen=True, kw_only=True)
class Reply:
    """An answer ready to be sent."""

    id: str
    model: str
    pieces: tuple[Piece, ...]
    finish_reason: FinishReason
    prompt_tokens: int
    include_usage: bool
    fault: Fault | None
    pace: SimulatorOptions
    seen: SeenRequest
    log: SimulatorLog

    def charge(self, tokens: int) -> None:
        """Put `tokens` just sent on the bill."""
        self.log.charge(self.seen, output_tokens=tokens)

    @property
    def halfway(self) -> int:
        """The number of pieces before a fault that comes midway: at least one."""
        return max(1, len(self.pieces) // 2)

    def sent_pieces(self) -> tuple[Piece, ...]:
        """Return the pieces that will be sent."""
        return self.pieces[: self.halfway] if self.fault in CUT_MIDWAY else self.pieces

    def chunk(self, choice: ChunkChoice) -> bytes:
        """Return `choice` as an event of the stream."""
        usage: UnsetType | None = None if self._reports_usage else UNSET
        return self._event((choice,), usage)

    def usage_chunk(self) -> bytes:
        """Return the event with the bill, or nothing when it is not to be sent."""
        return self._event((), self.usage()) if self._reports_usage else b""

    def usage(self) -> Usage:
        """Return the bill of the whole answer."""
        sent = sum(piece.tokens for piece in self.sent_pieces())
        return Usage(self.prompt_tokens, sent, self.prompt_tokens + sent)

    @property
    def _reports_usage(self) -> bool:
        return self.include_usage and self.fault is not Fault.NO_USAGE

    def _event(self, choices: tuple[ChunkChoice, ...], usage: Usage | UnsetType | None) -> bytes:
        created = int(time.time())
        return event(Chunk(self.id, created, self.model, choices, usage))


async def send_stream(reply: Reply, *, request: web.Request) -> web.StreamResponse:
    """Stream `reply` and return the response, ended as its fault wants it.

    Raises `ConnectionResetError` when the client has gone.
    """
    start = time.monotonic()
    response = web.StreamResponse(headers={"Cache-Control": "no-cache"})
    response.content_type = "text/event-stream"
    await response.prepare(request)
    if reply.fault is Fault.COMMENTS:
        return await _send_comments(response, request=request)
    await wait_until(start + reply.pace.seconds_until(1), request=request)
    await response.write(reply.chunk(ChunkChoice(Delta(role="assistant", content=""))))
    tokens = 0
    for index, piece in enumerate(reply.sent_pieces()):
        if reply.fault is Fault.JUNK and index == reply.halfway:
            await response.write(b"data: {not json\n\n")
        tokens += piece.tokens
        await wait_until(start + reply.pace.seconds_until(tokens), request=request)
        await response.write(reply.chunk(ChunkChoice(Delta(content=piece.text))))
        reply.charge(piece.tokens)
    await _end_stream(reply, response=response, request=request)
    return response


async def _end_stream(reply: Reply, *, response: web.StreamResponse, request: web.Request) -> None:
    match reply.fault:
        case Fault.EOF:
            return
        case Fault.STALL:
            await hold(request)
        case Fault.RESET:
            await reset(request)
        case Fault.ERROR_EVENT:
            await response.write(event(ErrorEnvelope(SERVER_ERROR)))
        case _:
            finish = ChunkChoice(Delta(), finish_reason=reply.finish_reason)
            await response.write(reply.chunk(finish) + reply.usage_chunk() + b"data: [DONE]\n\n")
            reply.seen.finished = True


async def _send_comments(
    response: web.StreamResponse, *, request: web.Request
) -> web.StreamResponse:
    end = time.monotonic() + HANG_SECONDS
    while time.monotonic() < end:
        await response.write(b": keep-alive\n\n")
        await wait_until(time.monotonic() + COMMENT_SECONDS, request=request)
    return response


async def send_whole(reply: Reply, *, request: web.Request) -> web.Response:
    """Return `reply` in one piece, after the time its stream would take.

    A stream's fault becomes its nearest kin: silence hangs, a cut resets the connection, an error
    event is a 500, junk is a body that is not JSON. Raises `ConnectionResetError` when the client
    has gone.
    """
    match reply.fault:
        case Fault.STALL | Fault.COMMENTS:
            await hold(request)
            return web.Response(status=504)
        case Fault.RESET | Fault.EOF:
            await reset(request)
            return web.Response()  # goes nowhere
        case Fault.ERROR_EVENT:
            return json_response(ErrorEnvelope(SERVER_ERROR), status=500)
        case Fault.JUNK:
            return web.Response(body=b"{not json", content_type="application/json")
    usage = reply.usage()
    start = time.monotonic()
    await wait_until(start + reply.pace.seconds_until(usage.completion_tokens), request=request)
    text = "".join(piece.text for piece in reply.sent_pieces())
    reply.charge(usage.completion_tokens)
    reply.seen.finished = True
    return json_response(
        Completion(
            reply.id,
            int(time.time()),
            reply.model,
            (Choice(AnswerMessage(text), reply.finish_reason),),
            UNSET if reply.fault is Fault.NO_USAGE else usage,
        )
    )


def json_response(
    body: msgspec.Struct, *, status: int = 200, retry_after: int | None = None
) -> web.Response:
    """Return `body` as a JSON response; `retry_after` is in seconds."""
    response = web.Response(
        body=msgspec.json.encode(body), status=status, content_type="application/json"
    )
    if retry_after is not None:
        response.headers["Retry-After"] = str(retry_after)
    return response
