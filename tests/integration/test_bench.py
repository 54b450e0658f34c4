"""The measuring program works from beginning to end; its figures are for quiet machines."""

import asyncio
import sys

import pytest

from tests.bench.figures import CPU_RULES

# A guard against waiting for ever; it takes one to two minutes.
SECONDS = 400


@pytest.mark.stress
async def test_quick() -> None:
    """A quick run of all parts ends well and has a figure of each."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "tests.bench", "--quick"),
        stdout=asyncio.subprocess.PIPE,
    )
    async with asyncio.timeout(SECONDS):
        output, _ = await process.communicate()
    told = output.decode()
    assert process.returncode == 0
    assert all(f"CPU of a chunk, {case}" in told for case in CPU_RULES)
    for words in ("CPU of a turn", "Delay", "first text", "idle connection", "processes on one"):
        assert words in told
