"""The chat page and its files, under headers that let nothing else in."""

from pathlib import Path

from aiohttp import hdrs, web

from gateway.web.files import ASK_AGAIN, read_files, respond

# No inline code, no other origin, no markup from strings (https://www.w3.org/TR/CSP3/).
POLICY = "; ".join(
    (
        "default-src 'none'",
        "script-src 'self'",
        "style-src 'self'",
        "img-src 'self' data:",
        "connect-src 'self'",
        "base-uri 'none'",
        "form-action 'none'",
        "frame-ancestors 'none'",
        "require-trusted-types-for 'script'",
    )
)
HEADERS = {
    "Content-Security-Policy": POLICY,
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
}


async def add_headers(request: web.Request, response: web.StreamResponse) -> None:
    """Put the security headers on every response, and ask browsers to revalidate what they keep."""
    if isinstance(response, web.WebSocketResponse):
        return  # no page; and they would be kept as long as the connection
    response.headers.update(HEADERS)
    response.headers.setdefault(hdrs.CACHE_CONTROL, ASK_AGAIN)


def add_pages(app: web.Application, *, static: Path) -> None:
    """Serve the page at `/` and its files below `/static`, as they are now."""
    files = read_files(static)

    async def index(request: web.Request) -> web.Response:
        return respond(request, files["index.html"])

    async def file(request: web.Request) -> web.Response:
        found = files.get(request.match_info["path"])
        if found is None:
            raise web.HTTPNotFound
        return respond(request, found)

    app.router.add_get("/", index)
    app.router.add_get("/static/{path:.+}", file)
    app.on_response_prepare.append(add_headers)
