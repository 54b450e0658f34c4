"""The schemas of docs/openapi.yaml, made from our Structs: `python -m tests.openapi` writes them."""

import re
from pathlib import Path
from typing import Any

import msgspec
import yaml

from gateway.chat.frames import Accept, Delta, Done, Error, Ready, Snapshot, Status, TurnView
from gateway.chat.records import ReportSnapshot
from gateway.web.problems import Problem
from gateway.web.rest import NewMessage, NewSession

FILE = Path(__file__).parents[1] / "docs" / "openapi.yaml"
STRUCTS = (
    *(ReportSnapshot, NewSession, Ready, NewMessage, TurnView, Problem),
    *(Accept, Status, Delta, Snapshot, Done, Error),
)
# What comes after this line is made.
MARK = re.compile(r"(.*# Below: [^\n]*\n)", re.DOTALL)
WIDTH = 118


def read() -> dict[str, Any]:
    """Return the document."""
    document: dict[str, Any] = yaml.safe_load(FILE.read_text())
    return document


def schemas() -> dict[str, Any]:
    """Return the schemas of the Structs, as OpenAPI 3.1 spells them."""
    _, made = msgspec.json.schema_components(STRUCTS, ref_template="#/components/schemas/{name}")
    spelt: dict[str, Any] = _spelt(made)
    return spelt


def _spelt(value: Any) -> Any:
    if isinstance(value, list | tuple):
        return [_spelt(item) for item in value]
    if not isinstance(value, dict):
        return value
    # ECMA-262, which JSON Schema means, has neither \A nor \Z.
    return {
        key: r"^[^\u0000]*$" if key == "pattern" and isinstance(item, str) else _spelt(item)
        for key, item in value.items()
    }


def main() -> None:
    """Write the schemas into the document."""
    head = MARK.match(FILE.read_text())
    assert head is not None, "the line that begins with '# Below:' is missing"
    made = yaml.safe_dump(schemas(), sort_keys=False, allow_unicode=True, width=WIDTH - 4)
    FILE.write_text(head[1] + "".join(f"    {line}" for line in made.splitlines(keepends=True)))


if __name__ == "__main__":
    main()
