"""`useChatWebSocket` in a real React, which the page itself does without."""

import pytest
from playwright.async_api import Locator, Route, expect

from tests.browser.react import bundle
from tests.browser.stage import Stage

pytestmark = [pytest.mark.browser, pytest.mark.asyncio(loop_scope="session")]

COMPONENT = """async () => {
    const { React, createRoot } = await import('/react.js');
    const { makeUseChatWebSocket } = await import('/static/js/useChatWebSocket.js');
    const useChatWebSocket = makeUseChatWebSocket(React);
    function Chat({ locale, reportId }) {
        const { connection, conversation, chat } = useChatWebSocket({ url: '/ws', locale, reportId });
        return React.createElement('div', { id: 'chat-of-react' },
            React.createElement('output', null, connection),
            React.createElement('p', null, conversation.turns.map((turn) => turn.text).join()),
            React.createElement('button', { onClick: () => chat.send('질문') }, 'ask'));
    }
    const root = document.createElement('div');
    document.body.append(root);
    const mounted = createRoot(root);
    window.unmount = () => mounted.unmount();
    window.show = (props) => mounted.render(
        React.createElement(React.StrictMode, null, React.createElement(Chat, props)));
    window.show({ locale: 'ko' });
}"""
# Those that the page itself opened before do not count.
COUNT = """() => {
    const Before = WebSocket;
    window.alive = new Set();
    window.WebSocket = class extends Before {
        constructor(...where) {
            super(...where);
            window.alive.add(this);
            this.addEventListener('close', () => window.alive.delete(this));
        }
    };
}"""


async def mount(stage: Stage) -> Locator:
    """Open the page and put a component on it."""
    body = bundle()

    async def serve(route: Route) -> None:
        await route.fulfill(body=body, content_type="text/javascript")

    await stage.open()
    await stage.page.route(f"{stage.url()}/react.js", serve)
    await stage.page.evaluate(COUNT)
    await stage.page.evaluate(COMPONENT)
    component = stage.page.locator("#chat-of-react")
    await expect(component.locator("output")).to_have_text("online")
    return component


async def test_the_hook_talks_and_renders(stage: Stage) -> None:
    """A component shows the connection and the growing answer, in StrictMode too."""
    component = await mount(stage)
    await component.locator("button").click()
    message = await stage.heard("message")
    await stage.send(
        {"type": "accepted", "id": message["id"], "turn_id": message["id"], "duplicate": False}
    )
    for number, piece in enumerate(("안녕", "하세요")):
        delta = {"type": "delta", "turn_id": message["id"], "from": number, "to": number + 1}
        await stage.send(delta | {"text": piece})
    await expect(component.locator("p")).to_have_text("안녕하세요")
    await stage.page.evaluate("window.unmount()")
    await expect(component).to_have_count(0)


async def test_the_hook_has_one_connection(stage: Stage) -> None:
    """When report and language change at once the old connection goes, and with the component the last."""
    component = await mount(stage)
    hellos = len(stage.said("hello"))
    await stage.page.evaluate("window.show({ locale: 'en', reportId: 'autumn' })")
    hello = await stage.heard("hello", count=hellos + 1)
    assert (hello["locale"], hello["report_id"]) == ("en", "autumn")
    await stage.page.wait_for_function("window.alive.size === 1")
    await stage.page.evaluate("window.unmount()")
    await expect(component).to_have_count(0)
    await stage.page.wait_for_function("window.alive.size === 0")
