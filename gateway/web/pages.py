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
CHAT, OPERATORS = "index.html", "ops/index.html"
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


def add_pages(app: web.Application, *, static: Path, index: str = CHAT) -> None:
    """Serve a page at `/` and the files below `/static`, as they are now.

    The operator's page stands beside the chat, uses its files and is not for the public.
    """
    files = {
        path: file
        for path, file in read_files(static).items()
        if index != CHAT or not path.startswith("ops/")
    }

    async def page(request: web.Request) -> web.Response:
        return respond(request, files[index])

    async def file(request: web.Request) -> web.Response:
        found = files.get(request.match_info["path"])
        if found is None:
            raise web.HTTPNotFound
        return respond(request, found)

    app.router.add_get("/", page)
    app.router.add_get("/static/{path:.+}", file)
    app.on_response_prepare.append(add_headers)
