"""A raw upstream fast enough not to be the limit: `python -m tests.bench.upstream`.

Plays one prepared answer to every request, flat out or one chunk each `1 / chunks_per_second`; speaks just
enough HTTP/1.1 and Server-Sent Events for the clients measured here. Prints its port.
"""

import argparse
import asyncio
import json
from collections.abc import Sequence

WORD = "매출은 "
HEAD = (
    b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n"
    b"Transfer-Encoding: chunked\r\nConnection: keep-alive\r\n\r\n"
)


def events(chunks: int) -> list[bytes]:
    """Return the HTTP chunks of an answer of that many pieces, with finish reason, usage and `[DONE]`."""
    bodies = [_event(delta={"content": WORD}) for _ in range(chunks)]
    bodies.append(_event(delta={}, finish="stop"))
    usage = {"prompt_tokens": 40, "completion_tokens": chunks, "total_tokens": 40 + chunks}
    bodies.append(json.dumps({**_BASE, "choices": [], "usage": usage}))
    bodies.append("[DONE]")
    return [_http_chunk(f"data: {body}\n\n".encode()) for body in bodies] + [b"0\r\n\r\n"]


_BASE = {"id": "c", "object": "chat.completion.chunk", "created": 0, "model": "sim-bench"}


def _event(*, delta: dict[str, str], finish: str | None = None) -> str:
    choice = {"index": 0, "delta": delta, "finish_reason": finish, "logprobs": None}
    return json.dumps({**_BASE, "choices": [choice], "usage": None}, ensure_ascii=False)


def _http_chunk(data: bytes) -> bytes:
    return b"%x\r\n%s\r\n" % (len(data), data)


async def _serve(
    reader: asyncio.StreamReader,
    writer: asyncio.StreamWriter,
    *,
    answer: Sequence[bytes],
    pause: float,
) -> None:
    try:
        while True:
            head = await reader.readuntil(b"\r\n\r\n")
            length = next(
                int(line.split(b":")[1])
                for line in head.lower().split(b"\r\n")
                if line.startswith(b"content-length:")
            )
            await reader.readexactly(length)
            writer.write(HEAD)
            await _play(writer, answer, pause=pause)
    except (asyncio.IncompleteReadError, ConnectionError):
        pass
    finally:
        writer.close()


async def _play(writer: asyncio.StreamWriter, answer: Sequence[bytes], *, pause: float) -> None:
    loop = asyncio.get_running_loop()
    due = loop.time()
    for chunk in answer:
        if pause:
            due += pause
            await asyncio.sleep(max(0.0, due - loop.time()))
        writer.write(chunk)
        await writer.drain()


async def main() -> None:
    """Serve until killed."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--chunks", type=int, default=200)
    parser.add_argument("--chunks-per-second", type=float, default=0)
    arguments = parser.parse_args()
    answer = events(arguments.chunks)
    pause = 1 / arguments.chunks_per_second if arguments.chunks_per_second else 0.0

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await _serve(reader, writer, answer=answer, pause=pause)

    server = await asyncio.start_server(serve, "127.0.0.1", 0, backlog=4096)
    print(server.sockets[0].getsockname()[1], flush=True)
    await server.serve_forever()


if __name__ == "__main__":
    asyncio.run(main())
