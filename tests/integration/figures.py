"""Figures worth publishing, written where docs/reliability.md takes them from."""

import json
from pathlib import Path

FILE = Path(__file__).parents[2] / ".figures"


def record(name: str, value: object) -> None:
    """Keep `value` under `name` until it is measured again."""
    figures: dict[str, str] = json.loads(FILE.read_text()) if FILE.is_file() else {}
    figures[name] = str(value)
    FILE.write_text(json.dumps(figures, indent=1, sort_keys=True) + "\n")
