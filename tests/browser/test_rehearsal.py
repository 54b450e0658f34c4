"""The rehearsal, played again: the page, the metrics, the log and the timelines still say what is written."""

import pytest

from tests.rehearsal import section
from tests.rehearsal.__main__ import rehearse

pytestmark = [pytest.mark.browser, pytest.mark.stress]


async def test_ten_faults() -> None:
    """Ten faults on the real product look as docs/operations.md shows them."""
    assert (await rehearse()).splitlines() == section.read().splitlines()
