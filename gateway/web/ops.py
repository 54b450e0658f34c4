"""What machines ask: is the process alive, and may it be sent visitors. Not for the public."""

from aiohttp import web

from gateway.chat.errors import GatewayError
from gateway.web.keys import SERVICE, STORE
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

    ops = web.Application()
    ops.router.add_get("/livez", livez)
    ops.router.add_get("/readyz", readyz)
    return ops


async def livez(_request: web.Request) -> web.Response:
    """Say that the event loop turns; asks nobody else."""
    return json_response({"status": "ok"})
