"""What machines and operators ask: health, counts and last turns of a process. Not for the public."""

from aiohttp import hdrs, web

from gateway.resources import static_folder
from gateway.web.figures import add_figures
from gateway.web.keys import SERVICE
from gateway.web.metrics import CONTENT_TYPE, METRICS
from gateway.web.pages import OPERATORS, add_pages
from gateway.web.problems import json_response
from gateway.web.readiness import look
from gateway.web.traces import add_traces


def create_ops_app(app: web.Application) -> web.Application:
    """Return the application of the ops listener, which answers for `app`."""

    async def readyz(request: web.Request) -> web.Response:
        readiness = await look(app)
        body: dict[str, object] = {"status": readiness.status}
        if SERVICE in app:
            service = app[SERVICE]
            body |= {"turns": service.running, "answers_pending": service.pending}
        if "verbose" in request.query:
            body["checks"] = readiness.checks
        return json_response(body, status=200 if readiness.ready else 503)

    async def metrics(_request: web.Request) -> web.Response:
        return web.Response(
            body=app[METRICS].exposition(), headers={hdrs.CONTENT_TYPE: CONTENT_TYPE}
        )

    ops = web.Application()
    ops.router.add_get("/livez", livez)
    ops.router.add_get("/readyz", readyz)
    # The name that Kubernetes gave up and others still ask for.
    ops.router.add_get("/healthz", readyz)
    ops.router.add_get("/metrics", metrics)
    add_figures(ops, app)
    add_traces(ops, app)
    add_pages(ops, static=static_folder(), index=OPERATORS)
    return ops


async def livez(_request: web.Request) -> web.Response:
    """Say that the event loop turns; asks nobody else."""
    return json_response({"status": "ok"})
