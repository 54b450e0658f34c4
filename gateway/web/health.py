"""`GET /health`: whether the process answers, and nothing else."""

from aiohttp import web

from gateway.web.problems import json_response


async def health(_request: web.Request) -> web.Response:
    """Say that the process answers."""
    return json_response({"status": "ok"})


def add_health(app: web.Application) -> None:
    """Serve the call that load balancers ask."""
    app.router.add_get("/health", health)
