"""The gateway speaks sd_notify(3): one datagram for each notice, to whatever socket it is told."""

import asyncio
import logging
import socket
import tempfile
from collections.abc import Iterator
from pathlib import Path
from uuid import uuid4

import pytest

from gateway.notify import Notice, Supervisor

SILENT = 0.0
BRISK = 0.02


@pytest.fixture(params=["path", "abstract"])
def supervisor(request: pytest.FixtureRequest) -> Iterator[tuple[str, socket.socket]]:
    """An address as systemd gives it, and the socket behind it."""
    with (
        # Not pytest's folder: the path of a socket has at most 107 bytes.
        tempfile.TemporaryDirectory(prefix="gateway-") as folder,
        socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as receiver,
    ):
        receiver.setblocking(False)
        address = f"{folder}/notify" if request.param == "path" else f"@gateway-{uuid4()}"
        receiver.bind(address.replace("@", "\0"))
        yield address, receiver


@pytest.mark.parametrize(
    ("notice", "text"), [(Notice.READY, b"READY=1"), (Notice.STOPPING, b"STOPPING=1")]
)
def test_notices(supervisor: tuple[str, socket.socket], notice: Notice, text: bytes) -> None:
    """A notice is one datagram, to a socket with a path or with an abstract name."""
    address, receiver = supervisor

    Supervisor(address).tell(notice)

    assert receiver.recv(100) == text


def test_nobody(caplog: pytest.LogCaptureFixture) -> None:
    """Without an address nothing is said, and nothing is missed."""
    Supervisor("").tell(Notice.READY)

    assert caplog.records == []


@pytest.mark.parametrize("address", ["/nowhere/notify", "@gateway-nobody", "x" * 200, "vsock:2:1"])
def test_unreachable(address: str, caplog: pytest.LogCaptureFixture) -> None:
    """A supervisor that cannot be reached costs a line of the log and nothing else."""
    with caplog.at_level(logging.WARNING):
        Supervisor(address).tell(Notice.READY)

    assert [record.msg for record in caplog.records] == ["supervisor.unreachable"]


def test_slow_supervisor(supervisor: tuple[str, socket.socket]) -> None:
    """A supervisor that reads nothing holds nobody up."""
    for _ in range(2_000):
        Supervisor(supervisor[0]).tell(Notice.READY)


async def test_watchdog(supervisor: tuple[str, socket.socket]) -> None:
    """Inside the block the supervisor hears again and again that the loop turns."""
    address, receiver = supervisor
    loop = asyncio.get_running_loop()

    async with Supervisor(address).watching(seconds=BRISK), asyncio.timeout(10):
        heard = [await loop.sock_recv(receiver, 100) for _ in range(3)]

    assert heard == [b"WATCHDOG=1"] * 3


async def test_no_watchdog(supervisor: tuple[str, socket.socket]) -> None:
    """A supervisor that wants no sign of life gets none."""
    address, receiver = supervisor

    async with Supervisor(address).watching(seconds=SILENT):
        await asyncio.sleep(BRISK)

    with pytest.raises(BlockingIOError):
        receiver.recv(100)


async def test_end_of_the_watchdog(tmp_path: Path) -> None:
    """Nothing is left running behind the block."""
    before = asyncio.all_tasks()

    async with Supervisor(str(tmp_path / "none")).watching(seconds=SILENT):
        pass

    assert asyncio.all_tasks() == before
