"""The search for what leaked finds a canary however a log would spell it."""

import json

import pytest

from tests import canary
from tests.canary import hits


@pytest.mark.parametrize(
    "spelled",
    [
        canary.QUESTION,
        canary.QUESTION.upper(),
        canary.STEM,
        canary.KOREAN,
        json.dumps(canary.KOREAN),
        repr(canary.KOREAN.encode()),
        json.dumps(repr(canary.KEY.encode())),
    ],
)
def test_spellings(spelled: str) -> None:
    """A canary is found in any case, and escaped as JSON or as bytes."""
    assert hits(f"fine\nbefore {spelled} after\nfine") == [f"before {spelled} after"]


def test_nothing_to_find() -> None:
    """Where there is none, none is found."""
    assert hits("turn.ended canary 새") == []


def test_more_to_find() -> None:
    """What else must not be there is found as well."""
    assert hits("a\nb Token", "token") == ["b Token"]
