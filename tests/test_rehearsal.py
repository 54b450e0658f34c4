"""What docs/operations.md shows of the rehearsal: all ten faults, and nothing that the code does not have."""

import re
from pathlib import Path

import pytest

from gateway.chat.codes import Code, Locale, describe
from gateway.chat.timeline import AttemptResult, Ending
from tests.rehearsal import section
from tests.rehearsal.scenes import SCENES, Outage, Scene

ROOT = Path(__file__).parents[1]
SOURCE = "\n".join(file.read_text() for file in sorted((ROOT / "gateway").rglob("*.py")))
METRICS = (ROOT / "docs" / "metrics.md").read_text(encoding="utf-8")
SERIES = re.compile(r"`(chatgw_\w+)\{(.*?)\}`")
LABELS: dict[str, set[str]] = {
    "outcome": set(Ending),
    "code": set(Code),
    "result": {*AttemptResult, "hit", "miss", "error"},
}


def part_of(scene: Scene) -> str:
    """Return what the section says of a scene."""
    return section.read().partition(f"### {scene.title}\n")[2].partition("\n### ")[0]


def rows_of(scene: Scene) -> dict[str, str]:
    """Return the table of a scene."""
    rows = re.findall(r"^\| ([^|]+) \| (.*) \|$", part_of(scene), re.MULTILINE)
    return dict(rows)


def test_ten_faults() -> None:
    """The section has each fault once, in the order in which they are played."""
    assert re.findall(r"^### (.*)$", section.read(), re.MULTILINE) == [s.title for s in SCENES]
    assert len(SCENES) == 10


@pytest.mark.parametrize("scene", SCENES, ids=lambda scene: scene.title)
def test_what_is_told(scene: Scene) -> None:
    """Of each it says how it was made, and what page, metrics, log and timeline showed."""
    rows = rows_of(scene)
    assert scene.how in part_of(scene)
    assert {"the page, in Korean", "in English", "metrics", "log", "timeline"} <= set(rows)
    assert ({"once it is back", "`/readyz`"} <= set(rows)) == (scene.outage is not None)


@pytest.mark.parametrize("scene", SCENES, ids=lambda scene: scene.title)
def test_the_page_says_what_the_catalogue_says(scene: Scene) -> None:
    """The code that the metrics count is the one whose sentence both readers saw."""
    rows = rows_of(scene)
    codes = re.findall(r'chatgw_errors_total\{code="(\w+)"', rows["metrics"])
    if scene.outage is Outage.REDIS:
        assert codes == []
        return
    (code,) = codes
    assert describe(Code(code), Locale.KO) in rows["the page, in Korean"]
    assert describe(Code(code), Locale.EN) in rows["in English"]


@pytest.mark.parametrize("scene", SCENES, ids=lambda scene: scene.title)
def test_metrics_exist(scene: Scene) -> None:
    """Every series is one of ours, with labels that it can have."""
    series = SERIES.findall(rows_of(scene)["metrics"])
    assert series
    for name, labels in series:
        assert name.removesuffix("_count") in METRICS
        for label, value in re.findall(r'(\w+)="([^"]*)"', labels):
            assert value in LABELS.get(label, {value})


@pytest.mark.parametrize("scene", SCENES, ids=lambda scene: scene.title)
def test_events_exist(scene: Scene) -> None:
    """Every line of the log is one that the gateway can write."""
    events = re.findall(r"`([a-z_]+\.[a-z_]+)`", rows_of(scene)["log"])
    assert events
    assert [event for event in events if f'"{event}"' not in SOURCE] == []
