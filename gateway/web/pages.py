"""The chat page and its files, under headers that let nothing else in."""

from pathlib import Path

from aiohttp import hdrs, web

STATIC = web.AppKey("static", Path)
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
FOR_EVER = "public, max-age=31536000, immutable"
HEADERS = {
    "Content-Security-Policy": POLICY,
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
}


async def index(request: web.Request) -> web.FileResponse:
    """Serve the chat page."""
    return web.FileResponse(request.app[STATIC] / "index.html")


async def add_headers(request: web.Request, response: web.StreamResponse) -> None:
    """Put the security headers on every response; ask browsers to revalidate the page and its files."""
    if isinstance(response, web.WebSocketResponse):
        return  # no page; and they would be kept as long as the connection
    response.headers.update(HEADERS)
    # Its version is part of a vendored file's address.
    vendored = request.path.startswith("/static/vendor/")
    response.headers.setdefault(hdrs.CACHE_CONTROL, FOR_EVER if vendored else "no-cache")


def add_pages(app: web.Application, *, static: Path) -> None:
    """Serve the page at `/` and its files below `/static`."""
    app[STATIC] = static
    app.router.add_get("/", index)
    app.router.add_static("/static", static, follow_symlinks=False, show_index=False)
    app.on_response_prepare.append(add_headers)
