"""Keep results in docs/performance.json; plots and the table of docs/performance.md are made from it."""

import os
import platform
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any

import msgspec

from tests.bench.results import Results, Setting

FILE = Path(__file__).parents[2] / "docs" / "performance.json"
LIBRARIES = ("aiohttp", "openai", "msgspec")


def setting() -> Setting:
    """Return where and when we measure."""
    return Setting(
        day=datetime.now(UTC).date().isoformat(),
        processor=_processor(),
        cores=len(os.sched_getaffinity(0)),
        system=f"Linux {platform.release().partition('-')[0]}, Python {platform.python_version()}",
        libraries=", ".join(f"{name} {version(name)}" for name in LIBRARIES),
        load_before=round(os.getloadavg()[0], 2),
    )


def load(file: Path = FILE) -> Results:
    """Return what was kept."""
    return msgspec.json.decode(file.read_bytes(), type=Results)


def keep(new: Results, file: Path = FILE) -> None:
    """Put new results in the place of those of the same parts."""
    old = load(file) if file.is_file() else Results()
    cases = {run.case for run in new.runs}
    merged = Results(
        settings={**old.settings, **new.settings},
        runs=[run for run in old.runs if run.case not in cases] + new.runs,
        turns=new.turns or old.turns,
        round_trips=new.round_trips or old.round_trips,
        weights=new.weights or old.weights,
        processes=new.processes or old.processes,
    )
    file.write_text(_lines(merged))


def _lines(results: Results) -> str:
    """Write one measurement a line, so that a comparison of two versions can be read."""
    fields: dict[str, Any] = msgspec.to_builtins(results, str_keys=True)
    return (
        "{\n" + ",\n".join(f'"{name}": {_field(value)}' for name, value in fields.items()) + "\n}\n"
    )


def _field(value: Any) -> str:
    if isinstance(value, list):
        return "[\n" + ",\n".join(msgspec.json.encode(item).decode() for item in value) + "\n]"
    return msgspec.json.encode(value).decode()


def _processor() -> str:
    for line in Path("/proc/cpuinfo").read_text().splitlines():
        if line.startswith("model name"):
            return line.partition(":")[2].strip()
    return platform.machine()
