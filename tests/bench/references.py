"""What the gateway is compared with: `python -m tests.bench.references floor|usual UPSTREAM_URL`.

`usual` is the loop everybody writes first: the SDK's stream, a JSON frame for each chunk. `floor` is the
least that can be done with aiohttp: its client's bytes, split, straight to the WebSocket; no guard, no
storage. Prints its port.
"""

import argparse
import asyncio
import json
import logging
from collections.abc import Awaitable, Callable

import aiohttp
import openai
from aiohttp import web

BODY = {
    "model": "sim-bench",
    "messages": [{"role": "user", "content": "?"}],
    "stream": True,
    "stream_options": {"include_usage": True},
}
Answer = Callable[[web.WebSocketResponse], Awaitable[None]]


def usual(base_url: str) -> Answer:
    """Return the usual loop."""
    client = openai.AsyncOpenAI(api_key="k", base_url=base_url)

    async def answer(socket: web.WebSocketResponse) -> None:
        stream = await client.chat.completions.create(
            model="sim-bench",
            messages=[{"role": "user", "content": "?"}],
            stream=True,
            stream_options={"include_usage": True},
        )
        async for chunk in stream:
            if chunk.choices and chunk.choices[0].delta.content:
                await socket.send_json({"type": "delta", "text": chunk.choices[0].delta.content})
        await socket.send_json({"type": "done"})

    return answer


def floor(base_url: str) -> Answer:
    """Return the least that can be done."""
    session: aiohttp.ClientSession | None = None

    async def answer(socket: web.WebSocketResponse) -> None:
        nonlocal session
        session = session or aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0))
        async with session.post(f"{base_url}/chat/completions", json=BODY) as response:
            tail = b""
            async for data in response.content.iter_any():
                *complete, tail = (tail + data).split(b"\n\n")
                for event in complete:
                    if b'"content"' in event:
                        await socket.send_str(event[6:].decode())
        await socket.send_str('{"type":"done"}')

    return answer


async def main() -> None:
    """Serve until killed."""
    parser = argparse.ArgumentParser()
    parser.add_argument("which", choices=("floor", "usual"))
    parser.add_argument("upstream")
    arguments = parser.parse_args()
    # Asked for more than a core gives, the usual loop loses questions: they are counted, not told one by one.
    logging.disable(logging.CRITICAL)
    answer = (floor if arguments.which == "floor" else usual)(arguments.upstream)

    async def handle(request: web.Request) -> web.WebSocketResponse:
        # Without a heartbeat: pongs wait here until an answer has ended, and one that takes longer than a
        # heartbeat, as where more is asked than a core gives, would be cut off.
        socket = web.WebSocketResponse(compress=False, protocols=("chatgw.v1",))
        await socket.prepare(request)
        async for message in socket:
            if json.loads(message.data)["type"] == "message":
                await answer(socket)
        return socket

    app = web.Application()
    app.router.add_get("/ws", handle)
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0, backlog=4096)
    await site.start()
    print(runner.addresses[0][1], flush=True)
    await asyncio.Event().wait()


if __name__ == "__main__":
    asyncio.run(main())
