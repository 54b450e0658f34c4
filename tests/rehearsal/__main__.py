"""Play the ten faults on the real product and write down what they look like: `python -m tests.rehearsal`."""

import asyncio
import tempfile
from pathlib import Path

from tests.rehearsal import section
from tests.rehearsal.playing import play
from tests.rehearsal.scenes import SCENES
from tests.rehearsal.theatre import theatre


async def rehearse() -> str:
    """Return the section."""
    with tempfile.TemporaryDirectory(prefix="gateway-rehearsal-") as folder:
        # Postgres runs as another user, who has to get in.
        Path(folder).chmod(0o755)
        async with theatre(Path(folder)) as stage:
            accounts = [(scene, await play(scene, stage)) for scene in SCENES]
    parts = [f"### {scene.title}\n\n{scene.how}\n\n{a.markdown()}\n\n" for scene, a in accounts]
    return "".join(["\n", *parts])


if __name__ == "__main__":
    section.write(asyncio.run(rehearse()))
