"""The client keeps its connections, and lets go of them at once when nobody reads any more."""

import asyncio
import socket

import pytest

from gateway.chat.errors import UpstreamUnavailable
from gateway.chat.records import Chunk
from tests.promises import GUARD_SECONDS
from tests.raw_upstream import DONE, END, HEAD, Do, Script, answer, chunks, content, playing
from tests.test_openai_client import ask, connected, read, text_of


@pytest.mark.parametrize(
    "script",
    [
        (HEAD + chunks(content("a"), DONE) + END,),
        (HEAD + chunks(content("a"), DONE), Do.WAIT, END),
    ],
    ids=["at once", "a moment later"],
)
async def test_connection_is_kept(script: Script) -> None:
    """Requests one after the other share a connection, though a body ends only after its [DONE]."""
    async with playing(script) as upstream, connected(upstream.base_url) as client:
        for _ in range(3):
            assert text_of(await read(client)) == "a"

    assert (len(upstream.requests), upstream.connections) == (3, 1)


async def test_body_that_never_ends() -> None:
    """After [DONE] the end of the body is not waited for."""
    script = (HEAD + chunks(content("a"), DONE), Do.HOLD)
    async with playing(script) as upstream, connected(upstream.base_url) as client:
        async with asyncio.timeout(GUARD_SECONDS):
            assert text_of(await read(client)) == "a"
            await upstream.left.wait()


async def test_close_closes_connections() -> None:
    """Closing the client closes the connection it kept."""
    async with playing((answer(DONE),)) as upstream:
        async with connected(upstream.base_url) as client:
            await read(client)
            assert not upstream.left.is_set()
        async with asyncio.timeout(GUARD_SECONDS):
            await upstream.left.wait()


async def test_closing_the_generator() -> None:
    """Closing the generator midway closes the connection at once: the upstream stops billing."""
    script = (HEAD + chunks(content("a")), Do.HOLD)
    async with playing(script) as upstream, connected(upstream.base_url) as client:
        stream = ask(client)
        assert await anext(stream) == Chunk(text="a")
        async with asyncio.timeout(GUARD_SECONDS):
            await stream.aclose()
            await upstream.left.wait()


async def cancel(task: asyncio.Task[list[Chunk]]) -> None:
    """Cancel `task` and wait for it."""
    task.cancel()
    async with asyncio.timeout(GUARD_SECONDS):
        with pytest.raises(asyncio.CancelledError):
            await task


@pytest.mark.parametrize(
    "script",
    [(Do.HOLD,), (HEAD, Do.HOLD), (HEAD + chunks(content("a")), Do.HOLD)],
    ids=["before headers", "before content", "between chunks"],
)
async def test_cancelled(script: Script) -> None:
    """A reader cancelled wherever it waits has closed its connection."""
    async with playing(script) as upstream, connected(upstream.base_url) as client:
        task = asyncio.create_task(read(client))
        await upstream.asked.wait()
        await asyncio.sleep(0.05)  # so that headers and chunk have arrived
        await cancel(task)
        async with asyncio.timeout(GUARD_SECONDS):
            await upstream.left.wait()


async def test_cancelled_while_connecting() -> None:
    """A reader cancelled while it connects leaves no socket behind."""
    with socket.socket() as listener, socket.socket() as filler:
        listener.bind(("127.0.0.1", 0))
        listener.listen(0)
        # The queue of connections nobody accepts is full now; Linux does not answer the next one.
        filler.connect(listener.getsockname())
        async with connected(f"http://127.0.0.1:{listener.getsockname()[1]}/v1") as client:
            task = asyncio.create_task(read(client))
            await asyncio.sleep(0.1)
            assert not task.done()
            await cancel(task)


async def test_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where HTTP_PROXY names a way out, requests take it."""
    async with playing((answer(content("a"), DONE),)) as proxy:
        monkeypatch.setenv("HTTP_PROXY", f"http://127.0.0.1:{proxy.port}")
        monkeypatch.setenv("NO_PROXY", "")
        async with connected("http://upstream.test/v1") as client:
            assert text_of(await read(client)) == "a"

    assert proxy.requests[0].line == "POST http://upstream.test/v1/chat/completions HTTP/1.1"


async def test_proxy_is_not_told_the_key(monkeypatch: pytest.MonkeyPatch) -> None:
    """HTTPS_PROXY is asked for a tunnel and told its own password, not the key of the upstream."""
    async with playing((b"HTTP/1.1 502 Bad Gateway\r\nContent-Length: 0\r\n\r\n",)) as proxy:
        monkeypatch.setenv("HTTPS_PROXY", f"http://way:out@127.0.0.1:{proxy.port}")
        monkeypatch.setenv("NO_PROXY", "")
        async with connected("https://upstream.test/v1") as client:
            with pytest.raises(UpstreamUnavailable):
                await read(client)

    (request,) = proxy.requests
    assert request.line == "CONNECT upstream.test:443 HTTP/1.1"
    assert request.headers["proxy-authorization"] == "Basic d2F5Om91dA=="
    assert "sk-test" not in str(request)


async def test_no_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    """What NO_PROXY names is asked directly."""
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:9")
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    async with (
        playing((answer(content("a"), DONE),)) as upstream,
        connected(upstream.base_url) as client,
    ):
        assert text_of(await read(client)) == "a"

    assert upstream.connections == 1
