"""Put the gateway together: the only module that knows every part."""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import AsyncExitStack

from aiohttp import web

from gateway.backends.ledger import PostgresLedger
from gateway.backends.openai_client import OpenAIClient
from gateway.backends.postgres import Database
from gateway.backends.redis_cache import NoCache, RedisCache
from gateway.backends.redis_link import RedisLink
from gateway.backends.redis_relay import NoRelay, RedisRelay
from gateway.backends.store import PostgresStore
from gateway.backends.tokens import Tokenizer
from gateway.chat.checkpoints import keep_checkpoints, sweep_expired
from gateway.chat.frames import FRAME_BYTES
from gateway.chat.ports import Cache, Relay
from gateway.chat.pricing import ModelFacts, nano
from gateway.chat.relaying import Relaying
from gateway.chat.rules import Rules
from gateway.chat.service import SAVE_SECONDS, ChatService
from gateway.chat.sessions import Sessions
from gateway.chat.tasks import Tasks
from gateway.config import facts_of, fallback_of
from gateway.resources import static_folder
from gateway.settings import Settings
from gateway.web.counts import Counts
from gateway.web.health import add_health
from gateway.web.keys import (
    CACHE,
    COUNTS,
    DAY_NANO,
    LEDGER,
    SERVICE,
    SESSIONS,
    STORE,
    TIMELINES,
)
from gateway.web.limits import ALLOWED_ORIGINS, DOOR, Door
from gateway.web.loop_lag import watch_loop
from gateway.web.metrics import METRICS, Metrics
from gateway.web.pages import add_pages
from gateway.web.problems import problems
from gateway.web.rest import REPORTS, add_rest
from gateway.web.selftest import add_selftest
from gateway.web.timelines import Timelines
from gateway.web.websocket import CONNECTIONS, close_connections, websocket


def create_app(settings: Settings, *, simulated: bool = False) -> web.Application:
    """Return the application; what it needs is opened when it starts and closed when it ends.

    Raises `ConfigError` for a model without a price. `simulated` says that the upstream is the simulator.
    """
    facts = facts_of(settings.openai.model, settings)
    fallback = fallback_of(settings)
    app = web.Application(middlewares=[problems], client_max_size=FRAME_BYTES)
    app[ALLOWED_ORIGINS] = frozenset(settings.server.allowed_origins)
    app[CONNECTIONS] = set()
    app[COUNTS] = Counts()
    app[TIMELINES] = Timelines()
    app[DAY_NANO] = nano(settings.cost.day_usd)
    app[DOOR] = Door(
        most=settings.server.max_connections,
        most_of_address=settings.server.max_connections_per_ip,
        trusted=settings.server.trusted_proxies,
    )
    app[METRICS] = Metrics(
        app, models={settings.openai.model, settings.openai.fallback_model} - {""}
    )
    app.router.add_get("/ws", websocket)
    add_rest(app, enabled=settings.rest.enabled)
    add_health(app)
    add_selftest(app)
    add_pages(app, static=static_folder())

    async def running(app: web.Application) -> AsyncGenerator[None, None]:
        async with AsyncExitStack() as stack:
            rules = _rules(settings, facts=facts, fallback=fallback, simulated=simulated)
            await _open(app, settings, rules=rules, encoding=facts.encoding, stack=stack)
            yield

    app.cleanup_ctx.append(running)
    app.on_shutdown.append(close_connections)
    return app


async def _open(
    app: web.Application,
    settings: Settings,
    *,
    rules: Rules,
    encoding: str,
    stack: AsyncExitStack,
) -> None:
    clock, metrics = asyncio.get_running_loop(), app[METRICS]
    # Some tenths of a second: off the loop, and before anybody is let in.
    tokenizer = await asyncio.to_thread(Tokenizer, encoding)

    database = Database(
        settings.database.url,
        pool_size=settings.database.pool_size,
        watch=metrics.process.watch("postgres"),
    )
    stack.push_async_callback(database.close)
    store = PostgresStore(database)
    stack.push_async_callback(store.close)

    cache: Cache = NoCache()
    relay: Relay = NoRelay()
    if settings.redis.url:
        link = RedisLink(settings.redis.url, watch=metrics.process.watch("redis"))
        # Not watched: what it asks is to be told of what comes.
        listening = RedisLink(settings.redis.url)
        stack.push_async_callback(link.close)
        stack.push_async_callback(listening.close)
        relay = redis_relay = RedisRelay(link, listening=listening)
        stack.push_async_callback(redis_relay.close)
        cache = RedisCache(
            link,
            messages=settings.context.history_messages,
            ttl_seconds=settings.redis.ttl_seconds,
        )
    upstream = OpenAIClient(
        # Without a key nothing is ever called; the SDK only refuses to be made.
        api_key=settings.openai.api_key or "missing",
        base_url=settings.openai.base_url,
    )
    stack.push_async_callback(upstream.close)

    sessions = Sessions(store, tokenizer=tokenizer, clock=clock, rules=rules)
    background = Tasks()
    stack.push_async_callback(background.drain, seconds=0)
    background.start(
        keep_checkpoints(sessions, store=store, rules=rules),
        name="checkpoints",
    )
    background.start(sweep_expired(store=store), name="sweep")
    background.start(watch_loop(metrics.process.loop_was_late), name="loop lag")
    relaying = Relaying(sessions, store=store, relay=relay, rules=rules)
    stack.push_async_callback(relaying.close)
    background.start(relaying.listen(), name="relaying")
    service = ChatService(
        sessions,
        store=store,
        cache=cache,
        relaying=relaying,
        upstream=upstream,
        tokenizer=tokenizer,
        clock=clock,
        observers=[app[TIMELINES], metrics.turns],
        rules=rules,
    )
    # Last in, first out: answers are saved before the store is closed.
    stack.push_async_callback(service.close, seconds=SAVE_SECONDS)
    app[SESSIONS] = sessions
    app[SERVICE] = service
    app[REPORTS] = store
    app[STORE] = store
    app[CACHE] = cache
    app[LEDGER] = PostgresLedger(database)


def _rules(
    settings: Settings, *, facts: ModelFacts, fallback: ModelFacts | None, simulated: bool
) -> Rules:
    return Rules(
        model=settings.openai.model,
        price=facts.price,
        fallback_model=settings.openai.fallback_model or None,
        fallback_price=fallback.price if fallback else None,
        context_tokens=min(f.context_tokens for f in (facts, fallback) if f),
        simulated=simulated,
        key_configured=bool(settings.openai.api_key),
        max_output_tokens=settings.openai.max_output_tokens,
        min_output_tokens=settings.openai.min_output_tokens,
        message_chars=settings.limits.message_chars,
        messages_per_minute=settings.limits.messages_per_minute,
        slow_notice_seconds=settings.limits.slow_notice_seconds,
        first_chunk_seconds=settings.limits.first_chunk_seconds,
        stall_seconds=settings.limits.stall_seconds,
        turn_seconds=settings.limits.turn_seconds,
        history_messages=settings.context.history_messages,
        history_tokens=settings.context.history_tokens,
        grace_seconds=settings.resume.grace_seconds,
        checkpoint_seconds=settings.resume.checkpoint_seconds,
        request_nano=nano(settings.cost.request_usd),
        session_nano=nano(settings.cost.session_usd),
        day_nano=nano(settings.cost.day_usd),
    )
