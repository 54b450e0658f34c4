"""Run an application until a signal says stop."""

import asyncio
import contextlib
import logging
import os
import signal
from collections.abc import AsyncIterator

from aiohttp import web

from gateway.chat.errors import ConfigError
from gateway.logs import log_unhandled
from gateway.web.draining import drain

logger = logging.getLogger(__name__)

# Handlers are told to end before this (their sockets are closed); what still hangs then is cut.
SHUTDOWN_SECONDS = 5.0
# The only bound on headers that never end; nginx in front has its own.
KEEPALIVE_SECONDS = 15.0


@contextlib.asynccontextmanager
async def listening(
    app: web.Application,
    *,
    host: str,
    port: int,
    reuse_port: bool = False,
    drain_seconds: float = 0,
) -> AsyncIterator[int]:
    """Serve `app` inside the block; yields the port, of the system's choice where `port` is 0.

    A gateway is drained for `drain_seconds` after the block. Raises `ConfigError` for an address that cannot
    be had.
    """
    runner = web.AppRunner(
        app,
        # Ours says what is worth saying; aiohttp's has the query string in it.
        access_log=None,
        # The default; said because answers must not die with the request that asked for them.
        handler_cancellation=False,
        shutdown_timeout=SHUTDOWN_SECONDS,
        keepalive_timeout=KEEPALIVE_SECONDS,
    )
    try:
        await runner.setup()
        site = web.TCPSite(runner, host, port, reuse_port=reuse_port or None)
        try:
            await site.start()
        except OSError as error:
            # asyncio's own sentence repeats the address; what getaddrinfo says has no number above 0.
            number = error.errno or 0
            reason = os.strerror(number) if number > 0 else error.strerror
            raise ConfigError(f"{host}:{port}: {reason}") from None
        address = runner.addresses[0]
        logger.info("server.listening", extra={"host": address[0], "port": address[1]})
        yield address[1]
        if drain_seconds:
            # First of all, so that whoever connects from now on finds another process.
            await site.stop()
            await drain(app, seconds=drain_seconds)
    finally:
        await runner.cleanup()
        logger.info("server.stopped")


async def until_stopped() -> None:
    """Wait for SIGINT or SIGTERM."""
    loop = asyncio.get_running_loop()
    loop.set_exception_handler(log_unhandled)
    stop = asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, stop.set)
    try:
        await stop.wait()
    finally:
        # An impatient second Ctrl-C ends at once. A second SIGTERM does not: whoever stops a whole group of
        # processes, and make besides, sends it twice without meaning it.
        loop.remove_signal_handler(signal.SIGINT)
