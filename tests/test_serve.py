"""Serving until a signal says stop."""

import subprocess
import sys

from tests.promises import GUARD_SECONDS

STOPPED_AT_ONCE = """
import asyncio, os, signal
from gateway.serve import stop_signal

async def main():
    with stop_signal() as stop:
        os.kill(os.getpid(), signal.{name})
        await stop.wait()
    print("stopped")

asyncio.run(main())
"""


def outcome(name: str) -> tuple[int, str]:
    """Return status and output of a process that gets the signal in the moment in which it is ready."""
    process = subprocess.run(
        [sys.executable, "-c", STOPPED_AT_ONCE.format(name=name)],
        capture_output=True,
        text=True,
        check=False,
        timeout=GUARD_SECONDS,
    )
    return process.returncode, process.stdout


def test_sigterm_when_it_is_ready() -> None:
    """SIGTERM in the moment in which systemd hears READY=1 stops the gateway in order."""
    assert outcome("SIGTERM") == (0, "stopped\n")


def test_ctrl_c_when_it_is_ready() -> None:
    """So does Ctrl-C in the moment in which the address is printed."""
    assert outcome("SIGINT") == (0, "stopped\n")
