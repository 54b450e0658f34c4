"""What machines ask: is the process alive, may it be sent visitors, what did it count. Not for the public."""

from aiohttp import hdrs, web

from gateway.chat.errors import GatewayError
from gateway.web.keys import SERVICE, STORE
from gateway.web.metrics import CONTENT_TYPE, METRICS
from gateway.web.problems import json_response


def create_ops_app(app: web.Application) -> web.Application:
    """Return the application of the ops listener, which answers for `app`."""

    async def readyz(_request: web.Request) -> web.Response:
        if SERVICE not in app:
            return json_response({"status": "starting"}, status=503)
        service, status = app[SERVICE], "ok"
        try:
            await app[STORE].ping()
        except GatewayError:
            status = "storage_unavailable"
        if service.draining:
            status = "draining"
        return json_response(
            {"status": status, "turns": service.running, "answers_pending": service.pending},
            status=200 if status == "ok" else 503,
        )

    async def metrics(_request: web.Request) -> web.Response:
        return web.Response(
            body=app[METRICS].exposition(), headers={hdrs.CONTENT_TYPE: CONTENT_TYPE}
        )

    ops = web.Application()
    ops.router.add_get("/livez", livez)
    ops.router.add_get("/readyz", readyz)
    ops.router.add_get("/metrics", metrics)
    return ops


async def livez(_request: web.Request) -> web.Response:
    """Say that the event loop turns; asks nobody else."""
    return json_response({"status": "ok"})
