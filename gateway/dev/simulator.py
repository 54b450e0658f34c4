"""An OpenAI-compatible server for the demo, the tests and the load test."""

import asyncio
import logging
import uuid
from typing import Annotated

import msgspec
from aiohttp import hdrs, web
from aiohttp.typedefs import Handler

from gateway.backends.tokens import Tokenizer
from gateway.dev.connection import close, has_left, hold
from gateway.dev.delivery import Reply, SimulatorOptions, json_response, send_stream, send_whole
from gateway.dev.faults import (
    ARMED_LIMIT,
    BAD_KEY,
    REFUSALS,
    Fault,
    FaultPicker,
    Refusal,
)
from gateway.dev.openai_wire import (
    ChatRequest,
    ErrorBody,
    ErrorEnvelope,
    FinishReason,
    Line,
    Model,
    ModelList,
)
from gateway.dev.pieces import pieces, prompt_tokens, within_limit
from gateway.dev.seen import SeenRequest, SimulatorLog
from gateway.dev.voice.answers import compose
from gateway.dev.voice.long_answers import IGNORED_LIMIT_TOKENS, LongModel, korean_page, long_answer

__all__ = ["SEEN", "SeenRequest", "SimulatorLog", "SimulatorOptions", "create_simulator"]

logger = logging.getLogger(__name__)

REFUSED_KEY = "sk-invalid"
BODY_BYTES = 4 * 1024 * 1024  # a request longer than any model's context is a mistake
PROXY_PAGE = "<html><head><title>502 Bad Gateway</title></head><body>Simulated.</body></html>"

DEFAULT_OPTIONS = SimulatorOptions()
SEEN = web.AppKey("seen", SimulatorLog)
FAULTS = web.AppKey("faults", FaultPicker)
TOKENIZER = web.AppKey("tokenizer", Tokenizer)
OPTIONS = web.AppKey("options", SimulatorOptions)


class Bill(msgspec.Struct, frozen=True):
    """What every request together has cost, in tokens."""

    requests: int
    input_tokens: int
    output_tokens: int


class Arming(msgspec.Struct, frozen=True):
    """The wish to play `fault` on the next `times` requests."""

    fault: Fault
    times: Annotated[int, msgspec.Meta(ge=1, le=ARMED_LIMIT)] = 1


class Armed(msgspec.Struct, frozen=True):
    """How many of the next requests will meet a fault."""

    armed: int


def create_simulator(
    tokenizer: Tokenizer, *, options: SimulatorOptions = DEFAULT_OPTIONS
) -> web.Application:
    """Return the simulator; what it saw is under its key `SEEN`."""
    app = web.Application(middlewares=[_require_key], client_max_size=BODY_BYTES)
    app[SEEN] = SimulatorLog()
    app[FAULTS] = FaultPicker()
    app[TOKENIZER] = tokenizer
    app[OPTIONS] = options
    app.on_response_prepare.append(_add_request_id)
    app.add_routes(
        [
            web.post("/v1/chat/completions", _complete),
            web.get("/v1/models", _list_models),
            web.get("/sim/bill", _show_bill),
            web.post("/sim/faults", _arm),
            web.delete("/sim/faults", _disarm),
        ]
    )
    return app


@web.middleware
async def _require_key(request: web.Request, handler: Handler) -> web.StreamResponse:
    if request.path.startswith("/v1/"):
        scheme, _, key = request.headers.get(hdrs.AUTHORIZATION, "").partition(" ")
        if scheme != "Bearer" or not key.strip() or key.strip() == REFUSED_KEY:
            return _refusal(BAD_KEY)
    return await handler(request)


async def _add_request_id(_request: web.Request, response: web.StreamResponse) -> None:
    response.headers["x-request-id"] = f"req_{uuid.uuid4().hex}"


async def _complete(request: web.Request) -> web.StreamResponse:
    try:
        chat = msgspec.json.decode(await request.read(), type=ChatRequest)
    except msgspec.DecodeError as error:
        return _bad_request(error)
    lines = tuple(message.line() for message in chat.messages)
    fault = request.app[FAULTS].pick(chat.model, question=lines[-1].content)
    seen = SeenRequest(
        model=chat.model,
        messages=lines,
        max_completion_tokens=chat.limit,
        stream=bool(chat.stream),
        fault=fault,
        traceparent=request.headers.get("traceparent"),
        client_request_id=request.headers.get("X-Client-Request-Id"),
    )
    request.app[SEEN].add(seen)
    logger.info("simulator.request", extra={"model": chat.model, "fault": fault})
    try:
        return await _play(chat, fault=fault, seen=seen, request=request)
    except asyncio.CancelledError:
        # Not always the client: a server shutting down cancels its handlers too.
        seen.closed_early = has_left(request)
        raise
    except ConnectionResetError:
        seen.closed_early = True
        return web.Response()  # nobody is there to read it


async def _play(
    chat: ChatRequest, *, fault: Fault | None, seen: SeenRequest, request: web.Request
) -> web.StreamResponse:
    if fault in REFUSALS:
        return _refusal(REFUSALS[fault])
    match fault:
        case Fault.BAD_GATEWAY:
            return web.Response(text=PROXY_PAGE, status=502, content_type="text/html")
        case Fault.REFUSE:
            close(request)
            return web.Response()  # goes nowhere
        case Fault.HANG:
            await hold(request)
            return web.Response(status=504)
    reply = _reply(chat, fault=fault, seen=seen, app=request.app)
    request.app[SEEN].charge(seen, input_tokens=reply.prompt_tokens)
    send = send_stream if chat.stream else send_whole
    return await send(reply, request=request)


def _reply(
    chat: ChatRequest, *, fault: Fault | None, seen: SeenRequest, app: web.Application
) -> Reply:
    tokenizer = app[TOKENIZER]
    full = _answer(chat.model, fault=fault, lines=seen.messages, tokenizer=tokenizer)
    text = full
    if chat.limit is not None and fault is not Fault.IGNORE_MAX_TOKENS:
        text = within_limit(full, limit=chat.limit, tokenizer=tokenizer)
    finish_reason = FinishReason.STOP if text == full else FinishReason.LENGTH
    if fault is Fault.CONTENT_FILTER:
        finish_reason = FinishReason.CONTENT_FILTER
    return Reply(
        id=f"chatcmpl-{uuid.uuid4().hex}",
        model=chat.model,
        pieces=tuple(pieces(text, tokenizer=tokenizer)),
        finish_reason=finish_reason,
        prompt_tokens=prompt_tokens(chat.messages, tokenizer=tokenizer),
        include_usage=chat.include_usage,
        fault=fault,
        pace=app[OPTIONS].under(fault),
        seen=seen,
        log=app[SEEN],
    )


def _answer(
    model: str, *, fault: Fault | None, lines: tuple[Line, ...], tokenizer: Tokenizer
) -> str:
    if fault is Fault.IGNORE_MAX_TOKENS:
        return long_answer(lines, tokens=IGNORED_LIMIT_TOKENS, count=tokenizer.count)
    match model:
        case LongModel.LONG:
            return long_answer(lines, count=tokenizer.count)
        case LongModel.KOREAN_PAGE:
            return korean_page()
        case _:
            return compose(lines)


async def _list_models(_request: web.Request) -> web.Response:
    names = ("sim", "sim-mini", *LongModel, *Fault)
    return json_response(ModelList(tuple(Model(name) for name in names)))


async def _show_bill(request: web.Request) -> web.Response:
    log = request.app[SEEN]
    return json_response(Bill(log.total_requests, log.total_input, log.total_output))


async def _arm(request: web.Request) -> web.Response:
    try:
        arming = msgspec.json.decode(await request.read(), type=Arming)
    except msgspec.DecodeError as error:
        return _bad_request(error)
    return json_response(Armed(request.app[FAULTS].arm(arming.fault, times=arming.times)))


async def _disarm(request: web.Request) -> web.Response:
    request.app[FAULTS].disarm()
    return web.Response(status=204)


def _refusal(refusal: Refusal) -> web.Response:
    return json_response(
        ErrorEnvelope(refusal.error), status=refusal.status, retry_after=refusal.retry_after
    )


def _bad_request(error: msgspec.DecodeError) -> web.Response:
    # A decoder's message names the field and the expected type, never the value.
    body = ErrorBody(message=f"Simulated: {error}", type="invalid_request_error")
    return json_response(ErrorEnvelope(body), status=400)
