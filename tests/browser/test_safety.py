"""What a model writes stays text: no script, no request, no other origin."""

import base64
import hashlib
import json

import pytest
from playwright.async_api import BrowserContext, Dialog, Page, Request, expect

from gateway.chat.records import ReportSnapshot
from gateway.dev.embedded_server import EmbeddedServer
from tests.browser.stage import STATIC, Stage
from tests.browser.steps import ask
from tests.running_gateway import running_gateway

pytestmark = [pytest.mark.browser, pytest.mark.asyncio(loop_scope="session")]

ATTACKS = (
    "<script>alert(1)</script>",
    "<img src=x onerror=alert(1)>",
    "<svg onload=alert(1)></svg>",
    '<iframe srcdoc="<script>alert(1)</script>"></iframe>',
    "[누르세요](javascript:alert(1))",
    "[자료](data:text/html,<script>alert(1)</script>)",
    "[탭](java&#x09;script:alert(1))",
    "<javascript:alert(1)>",
    "단어 <local-chat> 다음",
    "| <b onclick=alert(1)>칸</b> |\n|---|\n| <a href=javascript:alert(1)>칸</a> |",
    '<style>body{display:none}</style><form action="http://127.0.0.1:9"><button>',
)
REPORTS_OF_CSP = """() => {
    window.violations = [];
    document.addEventListener('securitypolicyviolation', ({ violatedDirective }) => {
        window.violations.push(violatedDirective);
    });
}"""
PARSED = """function parsed(html) {
    const p = document.createElement('p');
    try { p.innerHTML = html; } catch { p.textContent = html; }
    return p;
}"""
FORBIDDEN = (
    "script, iframe, object, embed, svg, img, style, form, [onclick], [onerror], [onload], [srcdoc]"
)


async def attack(stage: Stage) -> list[str]:
    """Answer with every attack and return what happened that should not."""
    events: list[str] = []

    async def note(dialog: Dialog) -> None:
        events.append("dialog")
        await dialog.dismiss()

    stage.page.on("dialog", note)
    await stage.open()
    await stage.page.evaluate(REPORTS_OF_CSP)
    await stage.answer("\n\n".join(ATTACKS))
    answer = stage.page.get_by_test_id("answer")
    for link in await answer.locator("a").all():
        events.append(f"link to {await link.get_attribute('href')}")
    found = await answer.locator(FORBIDDEN).evaluate_all("found => found.map((e) => e.tagName)")
    events += [f"element {name}" for name in found]
    events += await stage.page.evaluate("window.violations")
    return events


async def test_markup_in_an_answer_is_text(stage: Stage) -> None:
    """8: no attack does anything, under enforced Trusted Types, and every one can be read."""
    assert await attack(stage) == []
    answer = stage.page.get_by_test_id("answer")
    for visible in ("<script>alert(1)</script>", "<local-chat>", "<img src=x onerror=alert(1)>"):
        await expect(answer).to_contain_text(visible)


async def test_without_the_list_of_schemes_a_link_runs_code(stage: Stage) -> None:
    """8, able to fail: with any scheme allowed the links are there."""
    await stage.spoil("js/markdown.js", {"!SAFE.test(target) ||": ""})
    assert "link to javascript:alert(1)" in await attack(stage)


async def test_markup_parsed_as_markup_is_caught(context: BrowserContext, port: int) -> None:
    """8, able to fail: a page that parses markup is stopped by Trusted Types, and the check hears of it."""
    stage = Stage(await context.new_page(), port=port)
    await stage.spoil(
        "js/markdown.js",
        {
            "[element('p', [document.createTextNode(token.raw.trimEnd())])]": "[parsed(token.raw)]",
            "export function lex": f"{PARSED}\nexport function lex",
        },
    )
    assert "require-trusted-types-for" in await attack(stage)


async def test_an_image_is_a_link(stage: Stage) -> None:
    """9: an image asks nobody for anything; its address can be looked at and is followed only by hand."""
    asked: list[str] = []
    stage.page.on("request", lambda request: asked.append(request.url))
    await stage.open()
    await stage.answer("![그림](http://127.0.0.1:9/p?leak=1)")
    link = stage.page.get_by_test_id("answer").get_by_role("link", name="그림")
    await expect(link).to_have_attribute("href", "http://127.0.0.1:9/p?leak=1")
    await expect(link).to_have_attribute("rel", "noopener noreferrer nofollow")
    assert [url for url in asked if not url.startswith((stage.url(), "data:"))] == []


async def test_the_gateway_serves_what_was_vendored(
    page: Page, report: ReportSnapshot, postgres: EmbeddedServer
) -> None:
    """29: each vendored file has its recorded hash, and the page asks no other origin for anything."""
    asked: list[Request] = []
    page.on("request", lambda request: asked.append(request))
    record = json.loads((STATIC / "vendor" / "VENDOR.json").read_text())
    async with running_gateway(database=postgres.url) as gateway:
        await page.goto(gateway.url)
        await expect(page.get_by_test_id("report-headline")).to_have_text(report.headline)
        await ask(page, "수치를 보여 줘")
        await expect(page.get_by_test_id("copy")).to_be_visible()
        for folder, library in record.items():
            for name, expected in library["files"].items():
                response = await page.request.get(f"{gateway.url}/static/vendor/{folder}/{name}")
                digest = hashlib.sha384(await response.body()).digest()
                assert f"sha384-{base64.b64encode(digest).decode()}" == expected, name
        strangers = [r.url for r in asked if not r.url.startswith((gateway.url, "data:"))]
        assert strangers == []


async def test_the_record_and_the_lock_agree() -> None:
    """29: what is vendored is what the lock file names, and the lock names no registry."""
    root = STATIC.parent
    record = json.loads((STATIC / "vendor" / "VENDOR.json").read_text())
    lock = (root / "package-lock.json").read_text()
    packages = json.loads(lock)["packages"]
    for library in record.values():
        locked = packages[f"node_modules/{library['package']}"]
        assert (locked["version"], locked["integrity"]) == (
            library["version"],
            library["integrity"],
        )
    assert "resolved" not in lock
