"""Leave without losing an answer: what a process does between SIGTERM and its end."""

import asyncio
import logging

from aiohttp import web

from gateway.chat.frames import Notice, NoticeCode
from gateway.web.keys import SERVICE
from gateway.web.websocket import CONNECTIONS

logger = logging.getLogger(__name__)


async def drain(app: web.Application, *, seconds: float) -> None:
    """Take no new questions, let running answers finish within `seconds`, send everybody on.

    Who watches nothing is closed with 1012 at once and comes back to another process; who watches an answer
    when that has ended. What has not ended in time is saved as it is.
    """
    service, connections = app[SERVICE], app[CONNECTIONS].copy()
    service.draining = True
    logger.info("server.draining", extra={"turns": service.running})
    notice = Notice(code=NoticeCode.DRAINING)
    await asyncio.gather(*(connection.outlet.send(notice) for connection in connections))
    for connection in connections:
        connection.dismiss()
    await service.drain(seconds=seconds)
