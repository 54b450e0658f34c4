"""Who may come in."""

from urllib.parse import urlsplit

from aiohttp import hdrs, web

ALLOWED_ORIGINS = web.AppKey("allowed_origins", frozenset[str])


def check_origin(request: web.Request) -> None:
    """Raise 403 for a page of another site (cross-site WebSocket hijacking, CWE-1385).

    A browser always sends Origin with an upgrade; what sends none is not a browser, and holds no visitor's
    session. Without a configured list, a page may talk to the host it came from.
    """
    origin = request.headers.get(hdrs.ORIGIN)
    if origin is None:
        return
    allowed = request.app[ALLOWED_ORIGINS]
    if allowed:
        if origin in allowed:
            return
    elif urlsplit(origin).netloc == request.host:
        return
    raise web.HTTPForbidden(text="origin not allowed")
