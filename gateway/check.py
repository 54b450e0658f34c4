"""Look whether what the gateway needs is there: one finding, in plain words, for each thing."""

import asyncio
import os
import re
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import aclosing
from enum import IntEnum, unique
from pathlib import Path

import msgspec

from gateway.backends.migrations import pending
from gateway.backends.openai_client import OpenAIClient
from gateway.backends.postgres import Database
from gateway.backends.redis_link import CALL_SECONDS, RedisLink
from gateway.backends.tokens import Tokenizer
from gateway.chat.codes import Code
from gateway.chat.errors import ConfigError, GatewayError, Internal, StorageUnavailable
from gateway.chat.pricing import ModelFacts, usd
from gateway.chat.records import FinishReason, Message, Role, Usage
from gateway.chat.trace import Trace
from gateway.config import changes, facts_of, fallback_of
from gateway.resources import migrations_folder
from gateway.settings import Settings

# Whatever is looked at has answered long before, or will not: no line is waited for longer.
LINE_SECONDS = 15.0
# A model may think for a while before its one token.
ANSWER_SECONDS = 30.0
MTOK = 1_000_000
DATABASE = """
    SELECT
        current_setting('server_encoding'),
        current_setting('transaction_read_only') = 'off',
        coalesce(has_schema_privilege(current_schema(), 'CREATE'), false)
"""
# With which settings Postgres writes no statement into its log: ours hold what people wrote.
SILENT = {
    "log_min_error_statement": ("panic",),
    "log_error_verbosity": ("terse",),
    "log_statement": ("none", "ddl"),
    "log_min_duration_statement": ("-1",),
}
# What a browser sends as Origin (https://www.rfc-editor.org/rfc/rfc6454#section-6.1).
ORIGIN = re.compile(r"https?://[^/\s@]+")
REFUSALS = {
    Code.KEY_INVALID: "refuses the key: revoked, mistyped, or of another base_url",
    Code.QUOTA_EXHAUSTED: "says that the quota of this key is used up",
    Code.CONTEXT_TOO_LONG: "refuses a prompt of one word as too long",
    Code.UPSTREAM_REJECTED: "refuses the request: 404 above means that this key has no such model,"
    " 400 that the server does not know max_completion_tokens or stream_options",
    Code.UPSTREAM_RATE_LIMITED: "had too many requests with this key just now (429): try again",
    Code.UPSTREAM_UNAVAILABLE: "cannot be reached, or is in trouble; the line above says how",
    Code.UPSTREAM_TRUNCATED: "broke off its answer midway",
}


@unique
class Verdict(IntEnum):
    """How it stands with a thing; the value is the exit status of whoever needs it."""

    OK = 0
    MISSING = 1
    # EX_CONFIG of sysexits.h: with this the gateway does not start.
    MISCONFIGURED = 78


class Finding(msgspec.Struct, frozen=True):
    """What was looked at, how it stands, and that in words."""

    thing: str
    verdict: Verdict
    words: str

    def __str__(self) -> str:
        fine = self.verdict is Verdict.OK
        return f"{'ok' if fine else 'NOT OK':8}{self.thing:16}{self.words}"


Look = Callable[[], Awaitable[str]]


class Missing(Exception):
    """Something is not there; the text is ours."""


async def look(
    settings: Settings,
    *,
    config: Path | None = None,
    upstream: bool = False,
    answer_seconds: float = ANSWER_SECONDS,
) -> AsyncGenerator[Finding, None]:
    """Yield a finding for each thing; `config` is where the settings were read from.

    With `upstream` each model is asked for one token, within `answer_seconds`.
    """
    looks: list[tuple[str, Look, float]] = [
        ("configuration", lambda: _configuration(config), LINE_SECONDS),
        ("database", lambda: _database(settings), LINE_SECONDS),
        ("database log", lambda: _database_log(settings), LINE_SECONDS),
        ("Redis", lambda: _redis(settings), LINE_SECONDS),
        ("tokenizer", lambda: _tokenizer(settings), LINE_SECONDS),
        ("model", lambda: _model(settings), LINE_SECONDS),
        ("fallback model", lambda: _fallback_model(settings), LINE_SECONDS),
        ("origins", lambda: _origins(settings), LINE_SECONDS),
        ("proxies", lambda: _proxies(settings), LINE_SECONDS),
        ("key", lambda: _key(settings), LINE_SECONDS),
    ]
    if upstream:
        looks.append(("upstream", lambda: _upstream(settings, fallback=False), answer_seconds))
        if settings.openai.fallback_model:
            looks.append(
                ("its fallback", lambda: _upstream(settings, fallback=True), answer_seconds)
            )
    for thing, find, seconds in looks:
        yield await _finding(thing, find, seconds=seconds)


async def _finding(thing: str, find: Look, *, seconds: float) -> Finding:
    try:
        async with asyncio.timeout(seconds):
            return Finding(thing, Verdict.OK, await find())
    except ConfigError as error:
        return Finding(thing, Verdict.MISCONFIGURED, str(error))
    except Missing as error:
        return Finding(thing, Verdict.MISSING, str(error))
    except TimeoutError:
        return Finding(thing, Verdict.MISSING, f"no answer within {seconds:g} seconds")


async def _configuration(config: Path | None) -> str:
    return ", ".join(changes(config, environ=os.environ)) or "every setting at its default"


async def _database(settings: Settings) -> str:
    if not settings.database.url:
        raise ConfigError("[database] url is not set (or DATABASE_URL)")
    database = Database(settings.database.url, pool_size=1)
    try:
        ((encoding, writes, makes_tables),) = await database.fetch(DATABASE)
        missing = await pending(database, folder=migrations_folder())
    except StorageUnavailable:
        raise Missing(
            "nothing listens there, or its name is unknown"
            if await database.listens() is False
            else "it does not let us in: a wrong user, password or name of the database,"
            " or it hangs; its own log says which"
        ) from None
    except Internal:
        raise Missing("it refuses to be asked for its migrations; its own log says why") from None
    finally:
        await database.close()
    if encoding != "UTF8":
        raise Missing(f"its encoding is {encoding}, which has no Korean: make it anew with UTF8")
    if not writes:
        raise Missing("it takes no writes: a standby, or read-only for another reason")
    if missing and not makes_tables:
        raise Missing(
            f"{', '.join(missing)} missing, and this user may not make tables: make it the owner of"
            " the database, then run `gateway migrate`"
        )
    if missing:
        raise Missing(f"{', '.join(missing)} missing: run `gateway migrate`")
    return "reachable, no migration missing"


async def _database_log(settings: Settings) -> str:
    if not settings.database.url:
        raise Missing("of no database")
    database = Database(settings.database.url, pool_size=1)
    try:
        rows = await database.fetch(
            "SELECT name, setting FROM pg_settings WHERE name = ANY(%s)", (list(SILENT),)
        )
    except StorageUnavailable:
        raise Missing("it cannot be asked") from None
    finally:
        await database.close()
    loud = [f"{name} = {setting}" for name, setting in rows if setting not in SILENT[name]]
    if loud:
        raise Missing(
            f"may hold what people wrote: {', '.join(loud)}; docs/operations.md says what to set"
        )
    return "holds no statements"


async def _redis(settings: Settings) -> str:
    if not settings.redis.url:
        return "none: works from Postgres alone"
    link = RedisLink(settings.redis.url)
    try:
        if await link.ask(lambda redis: redis.ping()) is None:
            raise Missing(
                f"no answer within {CALL_SECONDS:g} seconds, or none that lets us in;"
                " the gateway works without, from Postgres alone"
            )
    finally:
        await link.close()
    return "reachable"


async def _tokenizer(settings: Settings) -> str:
    encoding = facts_of(settings.openai.model, settings).encoding
    await asyncio.to_thread(Tokenizer, encoding)
    return encoding


async def _model(settings: Settings) -> str:
    model = settings.openai.model
    return f"{model}, {_price(facts_of(model, settings))}"


async def _fallback_model(settings: Settings) -> str:
    facts = fallback_of(settings)
    return f"{settings.openai.fallback_model}, {_price(facts)}" if facts else "none"


async def _origins(settings: Settings) -> str:
    origins = settings.server.allowed_origins
    for origin in origins:
        if not ORIGIN.fullmatch(origin):
            raise Missing(
                f"[server] allowed_origins: {origin!r} is what no browser sends;"
                " expected https://host or https://host:port, without a path or a slash at the end"
            )
    return ", ".join(origins) or "a page may talk to the host it came from"


async def _proxies(settings: Settings) -> str:
    proxies = settings.server.trusted_proxies
    if any(proxy.prefixlen == 0 for proxy in proxies):
        raise Missing(
            "[server] trusted_proxies: everybody is one, so everybody says whose connection it is"
        )
    believed = ", ".join(map(str, proxies))
    return f"{believed} may say whose connection it is" if proxies else "none"


async def _key(settings: Settings) -> str:
    if not settings.openai.api_key:
        raise Missing("OPENAI_API_KEY is not set: every question will be answered with a notice")
    return "set"


async def _upstream(settings: Settings, *, fallback: bool) -> str:
    openai = settings.openai
    model = openai.fallback_model if fallback else openai.model
    facts = facts_of(model, settings)
    if not openai.api_key:
        raise Missing("not asked: there is no key")
    client = OpenAIClient(api_key=openai.api_key, base_url=openai.base_url)
    usage, finish_reason = None, None
    try:
        answer = client.stream_chat(
            [Message(Role.USER, "Hello", tokens=0)],
            model=model,
            max_output_tokens=1,
            traceparent=Trace.start().traceparent,
        )
        async with aclosing(answer) as chunks:
            async for chunk in chunks:
                usage, finish_reason = chunk.usage or usage, chunk.finish_reason or finish_reason
    except GatewayError as error:
        raise Missing(f"{model} {REFUSALS[error.code]}") from None
    finally:
        await client.close()
    return f"{model} {_answered(facts, usage=usage, finish_reason=finish_reason)}"


def _answered(facts: ModelFacts, *, usage: Usage | None, finish_reason: FinishReason | None) -> str:
    if finish_reason is None:
        raise Missing(
            "ended its answer without saying why: a proxy in between cuts it, or it is none"
        )
    if usage is None:
        return "answers, but not with its usage: what answers cost will be estimated"
    cost = usd(facts.price.cost(usage))
    return f"answers: {usage.input_tokens} tokens in, {usage.output_tokens} out, ${cost}"


def _price(facts: ModelFacts) -> str:
    input, output = (usd(nano * MTOK) for nano in (facts.price.input_nano, facts.price.output_nano))
    return f"${input} in and ${output} out for a million tokens"
