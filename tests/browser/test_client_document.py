"""docs/client.md: every example works as it stands, at other addresses."""

import configparser
import os
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from aiohttp import web
from playwright.async_api import Page, Route, expect

from gateway.chat.records import ReportSnapshot
from gateway.dev.embedded_server import EmbeddedServer
from gateway.serve import listening
from tests.browser.libraries import executable
from tests.browser.react import bundle
from tests.integration.fleet import nginx
from tests.integration.gateway_process import free_port
from tests.running_gateway import running_gateway

pytestmark = [pytest.mark.browser, pytest.mark.asyncio(loop_scope="session")]

ROOT = Path(__file__).parents[2]
BLOCK = re.compile(r"^## ([^\n]+)$|^```(\w+)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
EMBED, MODULE, HOOK, THEME = (
    "Embed the page",
    "Use the module",
    "Use the React hook",
    "Theme the page",
)
RUN = [
    *((EMBED, "html"), (EMBED, "nginx"), (EMBED, "nginx")),
    *((MODULE, "html"), (MODULE, "ini"), (MODULE, "nginx"), (MODULE, "js"), (MODULE, "js")),
    *((HOOK, "sh"), (HOOK, "jsx")),
    *((THEME, "css"), (THEME, "nginx")),
]
HTML, SCRIPT = "text/html", "text/javascript"
REACT = """import { React } from './bundle.js';
export const { Fragment, StrictMode, createElement, useEffect, useState, useSyncExternalStore } = React;
"""
MOUNT = """<!doctype html><div id="chat"></div><script type="importmap">
{ "imports": { "react": "/react.js", "react-dom/client": "/bundle.js" } }
</script><script type="module" src="/main.js"></script>"""
HOLD = "async () => { window.chat = (await import('/example.js')).chat; }"
COMPILING = (
    *("--allowJs", "--noCheck", "--jsx", "react", "--module", "esnext"),
    *("--moduleResolution", "bundler", "--target", "es2022", "--outDir", "out"),
)
ONLINE = "() => window.chat?.getSnapshot().connection === 'online'"


def examples() -> list[tuple[str, str, str]]:
    """Return the examples: under which heading each is, in which language, and its text."""
    found, heading = [], ""
    for match in BLOCK.finditer((ROOT / "docs" / "client.md").read_text("utf-8")):
        heading = match[1] or heading
        if match[2]:
            found.append((heading, match[2], match[3]))
    return found


@pytest.fixture
def folder() -> Iterator[Path]:
    """A folder that nginx may look into, whoever it runs as; pytest's own are closed."""
    folder = Path(tempfile.mkdtemp(prefix="gateway-nginx-"))
    folder.chmod(0o755)
    yield folder
    shutil.rmtree(folder)


@dataclass
class House:
    """Where the gateway and the page of somebody else are, and what that page is made of."""

    chat: str
    site: str
    files: dict[str, tuple[str, str]] = field(default_factory=dict)

    def here(self, text: str) -> str:
        """Return an example with our addresses."""
        return (
            text.replace("https://chat.example.com", self.chat)
            .replace("wss://chat.example.com", self.chat.replace("http", "ws"))
            .replace("https://www.example.com", self.site)
        )

    def example(self, heading: str, language: str) -> list[str]:
        """Return the examples of a language under a heading, with our addresses."""
        return [self.here(text) for h, kind, text in examples() if (h, kind) == (heading, language)]


@asynccontextmanager
async def house(page: Page, folder: Path, *, database: str, heading: str) -> AsyncIterator[House]:
    """Run a gateway behind nginx with what `heading` adds to it, and the page of somebody else."""
    port = free_port()
    files = {"/favicon.ico": (HTML, "")}

    async def serve(request: web.Request) -> web.Response:
        kind, text = files[request.path]
        return web.Response(text=text, content_type=kind)

    app = web.Application()
    app.router.add_get("/{path:.*}", serve)
    async with listening(app, host="127.0.0.1", port=0) as site_port:
        house = House(f"http://chat.localhost:{port}", f"http://www.localhost:{site_port}", files)
        told = configparser.ConfigParser()
        told.read_string(house.example(MODULE, "ini")[0])
        origins = told["server"]["allowed_origins"]
        added = dict(place(block) for block in house.example(heading, "nginx"))
        async with running_gateway(database=database, server_allowed_origins=origins) as gateway:
            upstream = gateway.url.removeprefix("http://")
            async with nginx(folder, upstream, upstream, port=port, changed=added):
                yield house
                # Nobody is there any more to be looked for.
                await page.goto("about:blank")


def run(*command: str, cwd: Path, env: dict[str, str] | None = None) -> None:
    """Run a command to its end."""
    subprocess.run(command, cwd=cwd, env=env, check=True)


def place(block: str) -> tuple[str, str]:
    """Return the line of nginx.conf that a block goes before, and both."""
    line = "        location / {\n" if block.startswith("location") else "    server {\n"
    return line, f"{block}\n{line}"


async def talk(page: Page) -> None:
    """Ask what stands in the box, and see an answer."""
    await page.get_by_role("button", name="Ask").click()
    await expect(page.locator("p").first).not_to_be_empty()


async def beside(page: Page, house: House, script: str) -> None:
    """Run `script` as a module at the gateway's own address until its chat is online."""

    async def module(route: Route) -> None:
        await route.fulfill(body=script, content_type=SCRIPT)

    await page.route(f"{house.chat}/example.js", module)
    await page.goto(house.chat)
    await page.evaluate(HOLD)
    await page.wait_for_function(ONLINE)
    await page.unroute_all()


async def test_every_example_is_run() -> None:
    """The document has the examples that are run here, and no other."""
    assert [(heading, language) for heading, language, _ in examples()] == RUN


async def test_the_page_in_a_frame(
    page: Page, report: ReportSnapshot, postgres: EmbeddedServer, folder: Path
) -> None:
    """Another site shows the page in a frame, and a reader asks there."""
    async with house(page, folder, database=postgres.url, heading=EMBED) as house_:
        house_.files["/"] = (HTML, f"<!doctype html>{house_.example(EMBED, 'html')[0]}")
        await page.goto(house_.site)
        framed = page.frame_locator("iframe")
        await expect(framed.get_by_test_id("report-headline")).to_have_text(report.headline)
        await framed.get_by_test_id("suggestion").first.click()
        await expect(framed.get_by_test_id("answer")).not_to_be_empty()


async def test_the_module_on_another_site(
    page: Page, report: ReportSnapshot, postgres: EmbeddedServer, folder: Path
) -> None:
    """Another site draws a conversation of its own, and comes back to it."""
    async with house(page, folder, database=postgres.url, heading=MODULE) as house_:
        house_.files["/"] = (HTML, house_.example(MODULE, "html")[0])
        await page.goto(house_.site)
        await talk(page)
        await expect(page.get_by_role("button", name="Stop")).to_be_disabled()
        answer = await page.locator("#answer").text_content() or ""
        await page.reload()
        await expect(page.locator("#answer")).to_have_text(answer)


async def test_the_module_over_http(
    page: Page, report: ReportSnapshot, postgres: EmbeddedServer, folder: Path
) -> None:
    """A page that remembers that WebSockets are blocked begins over HTTP; one may also have them only."""
    calls: list[str] = []
    page.on("request", lambda request: calls.append(request.url))
    async with house(page, folder, database=postgres.url, heading=MODULE) as house_:
        over_http, over_socket = house_.example(MODULE, "js")
        await page.goto(house_.chat)
        await page.evaluate("sessionStorage.setItem('http-until', String(Date.now() + 60_000))")
        await beside(page, house_, over_http)
        assert f"{house_.chat}/api/sessions" in calls
        calls.clear()
        await beside(page, house_, over_socket)
        assert f"{house_.chat}/api/sessions" not in calls


async def test_the_hook_on_another_site(
    page: Page, report: ReportSnapshot, postgres: EmbeddedServer, folder: Path
) -> None:
    """A React component, compiled as a bundler would, shows a conversation."""
    async with house(page, folder, database=postgres.url, heading=HOOK) as house_:
        (copy,), (component,) = house_.example(HOOK, "sh"), house_.example(HOOK, "jsx")
        environ = {"PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}"}
        run("/bin/sh", "-euc", copy, cwd=folder, env=environ)
        (folder / "main.jsx").write_text(component)
        run(str(executable("tsc")), "main.jsx", *COMPILING, cwd=folder)
        house_.files |= {
            "/": (HTML, MOUNT),
            "/react.js": (SCRIPT, REACT),
            "/bundle.js": (SCRIPT, bundle()),
            "/main.js": (SCRIPT, (folder / "out" / "main.js").read_text()),
        }
        for file in (folder / "chat").glob("*.js"):
            house_.files[f"/chat/{file.name}"] = (SCRIPT, file.read_text())
        await page.goto(house_.site)
        await talk(page)


async def test_the_theme(
    page: Page, report: ReportSnapshot, postgres: EmbeddedServer, folder: Path
) -> None:
    """The page wears the colours and sizes of a stylesheet that the gateway knows nothing of."""
    async with house(page, folder, database=postgres.url, heading=THEME) as house_:
        (folder / "theme").mkdir()
        (folder / "theme" / "theme.css").write_text(house_.example(THEME, "css")[0])
        await page.goto(house_.chat)
        await expect(page.get_by_test_id("suggestion").first).to_be_visible()
        suggestion = page.get_by_test_id("suggestion").first
        await expect(suggestion).to_have_css("border-radius", "4px")
        await expect(page.locator(".brand-shape")).to_have_css("fill", "rgb(26, 79, 160)")
