"""The metrics as docs/metrics.md has them."""

import re
from pathlib import Path

import msgspec

PAGE = Path(__file__).parents[1] / "docs" / "metrics.md"
ROW = re.compile(r"\| `(chatgw_\w+)` \| (counter|gauge|histogram) \|([^|]*)\|", re.ASCII)


class Documented(msgspec.Struct, frozen=True):
    """One row of the tables."""

    kind: str
    labels: frozenset[str]


def documented() -> dict[str, Documented]:
    """Return the rows by their metric."""
    return {
        name: Documented(kind, frozenset(re.findall(r"`(\w+)`", labels)))
        for name, kind, labels in ROW.findall(PAGE.read_text(encoding="utf-8"))
    }
