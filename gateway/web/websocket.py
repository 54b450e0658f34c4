"""`GET /ws`: the upgrade, and the connections that are open."""

import asyncio

from aiohttp import web

from gateway.chat.frames import FRAME_BYTES, SUBPROTOCOL
from gateway.web.connection import Connection
from gateway.web.counts import Admission, Transport
from gateway.web.keys import COUNTS, SERVICE, SESSIONS
from gateway.web.limits import DOOR, check_origin
from gateway.web.outlet import Close, Outlet

CONNECTIONS = web.AppKey[set[Connection]]("connections", set)

# Below nginx's 60 s and most balancers' idle limits, twice over.
HEARTBEAT_SECONDS = 25.0
# Bytes buffered for one reader before a send waits: aiohttp's 256 KiB times every slow reader is too much.
WRITER_LIMIT = 16_384


async def websocket(request: web.Request) -> web.WebSocketResponse:
    """Serve one WebSocket client."""
    check_origin(request)
    app, counts = request.app, request.app[COUNTS]
    # Not with a context manager: it would be kept as long as the connection, half a kilobyte each.
    address = app[DOOR].enter(request)
    try:
        socket = web.WebSocketResponse(
            protocols=(SUBPROTOCOL,),
            heartbeat=HEARTBEAT_SECONDS,
            # Pings come to us, because a flood of them is to be noticed.
            autoping=False,
            # Costs 85 KB a connection, gains nothing on pieces of five bytes, and invites CRIME.
            compress=False,
            # aiohttp refuses what reaches the limit, the protocol what passes it.
            max_msg_size=FRAME_BYTES + 1,
            writer_limit=WRITER_LIMIT,
        )
        await socket.prepare(request)
        outlet = Outlet(socket, transport=request.transport, counts=counts)
        connection = Connection(
            socket,
            outlet=outlet,
            sessions=app[SESSIONS],
            service=app[SERVICE],
            address=address,
            traceparent=request.headers.get("traceparent"),
        )
        if socket.ws_protocol != SUBPROTOCOL:
            counts.admissions[Transport.WEBSOCKET, Admission.BAD_REQUEST] += 1
            await outlet.close(Close.SUBPROTOCOL)
            return socket
        counts.admissions[Transport.WEBSOCKET, Admission.ACCEPTED] += 1
        app[CONNECTIONS].add(connection)
        try:
            await connection.run()
        finally:
            app[CONNECTIONS].discard(connection)
            counts.disconnected(Transport.WEBSOCKET, outlet.closed_with or socket.close_code)
        return socket
    finally:
        app[DOOR].leave(address)


async def close_connections(app: web.Application) -> None:
    """Ask every client to come back: to the next process, or to this one restarted."""
    connections: set[Connection] = app[CONNECTIONS]
    await asyncio.gather(*(c.outlet.close(Close.RESTARTING) for c in connections.copy()))
