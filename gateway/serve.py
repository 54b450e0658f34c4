"""Run an application until a signal says stop."""

import asyncio
import contextlib
import errno
import gc
import logging
import os
import signal
import socket
from collections.abc import AsyncIterator, Iterator

from aiohttp import web
from aiohttp.http import HttpProcessingError

from gateway.chat.errors import AddressUnavailable, ConfigError
from gateway.logs import log_unhandled
from gateway.web.draining import drain

logger = logging.getLogger(__name__)

# Handlers are told to end before this (their sockets are closed); what still hangs then is cut.
SHUTDOWN_SECONDS = 5.0
# So long a connection may take for the headers of its first request, and again for those of each next one.
# Then aiohttp closes it, whether it says nothing or says it slowly. nginx in front has its own bound.
KEEPALIVE_SECONDS = 15.0
# What comes of a body after its answer is read for so long, so that the client gets to see the answer.
LINGER_SECONDS = 4.0
# Connections that wait to be accepted: thousands of pages come back at once after a restart.
BACKLOG = 1024
# The kernel drops a connection whose peer takes nothing of what waits for it for so long (tcp(7)). Who asks
# for megabytes and does not read them would keep them here, because aiohttp waits for a reader without end.
UNREAD_SECONDS = 20.0

PASSING = (errno.EADDRINUSE, errno.EADDRNOTAVAIL)

# New objects before the collector looks for cycles among them; what has no cycle goes without it.
YOUNG_OBJECTS = 10_000


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

    A gateway is drained for `drain_seconds` after the block. Raises `AddressUnavailable` for an address that
    cannot be had now, `ConfigError` for one that never can.
    """
    logging.getLogger("aiohttp.server").addFilter(_is_of_ours)
    runner = web.AppRunner(
        app,
        # Ours says what is worth saying; aiohttp's has the query string in it.
        access_log=None,
        # The default; said because answers must not die with the request that asked for them.
        handler_cancellation=False,
        shutdown_timeout=SHUTDOWN_SECONDS,
        keepalive_timeout=KEEPALIVE_SECONDS,
        lingering_time=LINGER_SECONDS,
        # Nobody needs it, and a few bytes would become megabytes.
        auto_decompress=False,
    )
    try:
        await runner.setup()
        server = await _listen(runner, host=host, port=port, reuse_port=reuse_port)
        try:
            address = server.sockets[0].getsockname()
            logger.info("server.listening", extra={"host": address[0], "port": address[1]})
            yield address[1]
        finally:
            # First of all, so that whoever connects from now on finds another process.
            server.close()
        if drain_seconds:
            await drain(app, seconds=drain_seconds)
    finally:
        await runner.cleanup()
        logger.info("server.stopped")


def _is_of_ours(record: logging.LogRecord) -> bool:
    """Say in a line that a request was no HTTP, for which aiohttp has an error and a traceback."""
    error = record.exc_info[1] if record.exc_info else None
    if not isinstance(error, HttpProcessingError):
        return True
    logger.info("request.malformed", extra={"error_type": type(error).__name__})
    return False


async def _listen(
    runner: web.AppRunner, *, host: str, port: int, reuse_port: bool
) -> asyncio.Server:
    assert runner.server is not None, "it is set up"
    try:
        server = await asyncio.get_running_loop().create_server(
            runner.server, host, port, backlog=BACKLOG, reuse_port=reuse_port or None
        )
    except OSError as error:
        # asyncio's own sentence repeats the address; what getaddrinfo says has no number above 0.
        number = error.errno or 0
        reason = os.strerror(number) if number > 0 else error.strerror
        # A name server or an interface may come up later, and whoever has the port may leave.
        passing = isinstance(error, socket.gaierror) or number in PASSING
        kind = AddressUnavailable if passing else ConfigError
        raise kind(f"{host}:{port}: {reason}") from None
    for listener in server.sockets:
        if hasattr(socket, "TCP_USER_TIMEOUT"):  # of Linux; connections inherit it
            milliseconds = round(UNREAD_SECONDS * 1000)
            listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, milliseconds)
    return server


@contextlib.contextmanager
def stop_signal() -> Iterator[asyncio.Event]:
    """Set the event it yields at SIGINT or SIGTERM; what was made before the block is taken to stay.

    Whoever is told in the block that all is ready may send the signal at once.
    """
    loop = asyncio.get_running_loop()
    loop.set_exception_handler(log_unhandled)
    stop = asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, stop.set)
    _collect_less()
    try:
        yield stop
    finally:
        # An impatient second Ctrl-C ends at once. A second SIGTERM does not: whoever stops a whole group of
        # processes, and make besides, sends it twice without meaning it.
        loop.remove_signal_handler(signal.SIGINT)


def _collect_less() -> None:
    # Half a million objects of modules and schemas are there for good. To look through them again stops every
    # answer for 50 ms and more; to look for garbage at every 700 new objects costs 3 % of all CPU.
    gc.collect()
    gc.freeze()
    gc.set_threshold(YOUNG_OBJECTS)
