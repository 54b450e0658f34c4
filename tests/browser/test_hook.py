"""`useChatWebSocket` in a real React, which the page itself does without."""

import pytest
from playwright.async_api import Route, expect

from tests.browser.react import bundle
from tests.browser.stage import Stage

pytestmark = [pytest.mark.browser, pytest.mark.asyncio(loop_scope="session")]

COMPONENT = """async () => {
    const { React, createRoot } = await import('/react.js');
    const { makeUseChatWebSocket } = await import('/static/js/useChatWebSocket.js');
    const useChatWebSocket = makeUseChatWebSocket(React);
    function Chat() {
        const { connection, conversation, chat } = useChatWebSocket({ url: '/ws', locale: 'ko' });
        return React.createElement('div', { id: 'chat-of-react' },
            React.createElement('output', null, connection),
            React.createElement('p', null, conversation.turns.map((turn) => turn.text).join()),
            React.createElement('button', { onClick: () => chat.send('질문') }, 'ask'));
    }
    const root = document.createElement('div');
    document.body.append(root);
    const mounted = createRoot(root);
    window.unmount = () => mounted.unmount();
    mounted.render(React.createElement(React.StrictMode, null, React.createElement(Chat)));
}"""


async def test_the_hook_talks_and_renders(stage: Stage) -> None:
    """A component shows the connection and the growing answer, in StrictMode too."""
    body = bundle()

    async def serve(route: Route) -> None:
        await route.fulfill(body=body, content_type="text/javascript")

    await stage.open()
    await stage.page.route(f"{stage.url()}/react.js", serve)
    await stage.page.evaluate(COMPONENT)
    component = stage.page.locator("#chat-of-react")
    await expect(component.locator("output")).to_have_text("online")
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
