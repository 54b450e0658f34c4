"""`GET /health`: whether the process answers and means to stay, and nothing else."""

from aiohttp import web

from gateway.web.keys import SERVICE
from gateway.web.problems import json_response
from gateway.web.readiness import Status


async def health(request: web.Request) -> web.Response:
    """Say that the process answers; 503 from one that is about to leave."""
    if request.app[SERVICE].draining:
        return json_response({"status": Status.DRAINING}, status=503)
    return json_response({"status": Status.OK})


def add_health(app: web.Application) -> None:
    """Serve the call that load balancers ask."""
    app.router.add_get("/health", health)
