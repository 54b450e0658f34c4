"""An answer is counted while it streams, cheaply, and stopped exactly."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.chat.meter import Meter


class ByteTokenizer:
    """A token is up to four bytes: what is counted in pieces is never less than in one."""

    def __init__(self) -> None:
        self.calls = 0

    def count(self, text: str) -> int:
        """Return the number of tokens of `text`."""
        self.calls += 1
        return -(-len(text.encode()) // 4)


def admitted(texts: list[str], *, limit: int) -> str:
    """Return the text a meter lets pass before it refuses."""
    meter, passed = Meter(ByteTokenizer(), limit=limit), ""
    for text in texts:
        if not meter.admit(text):
            return passed
        passed += text
    return passed


def test_short_answer_is_not_even_counted() -> None:
    """A text with fewer bytes than the limit has tokens passes without being counted."""
    tokenizer = ByteTokenizer()
    meter = Meter(tokenizer, limit=10)
    assert meter.admit("ten bytes!")
    assert tokenizer.calls == 0


def test_bytes_count_not_characters() -> None:
    """A Hangul syllable is three bytes, so four of them are counted at a limit of ten."""
    tokenizer = ByteTokenizer()
    assert Meter(tokenizer, limit=10).admit("매출증가")
    assert tokenizer.calls == 1


@pytest.mark.parametrize(("text", "passes"), [("x" * 40, True), ("x" * 41, False)])
def test_limit_is_exact(text: str, passes: bool) -> None:
    """Just as many tokens as the limit pass, and not one more."""
    assert Meter(ByteTokenizer(), limit=10).admit(text) is passes


def test_pieces_are_recounted_together() -> None:
    """Pieces that are more tokens each by itself are not refused for that."""
    pieces = ["x"] * 40
    assert admitted(pieces, limit=10) == "x" * 40


def test_refused_text_is_not_counted() -> None:
    """After a refusal a shorter text may still pass."""
    meter = Meter(ByteTokenizer(), limit=10)
    assert [meter.admit(text) for text in ("x" * 36, "x" * 5, "x" * 4, "x")] == [
        True,
        False,
        True,
        False,
    ]


@settings(deadline=None, derandomize=True, database=None)
@given(st.lists(st.text(min_size=1, max_size=20), max_size=30), st.integers(1, 30))
def test_what_passes_is_within_the_limit(texts: list[str], limit: int) -> None:
    """However an answer is cut, what passes is within the limit, and more would not be."""
    tokenizer = ByteTokenizer()
    passed = admitted(texts, limit=limit)
    whole = "".join(texts)
    assert tokenizer.count(passed) <= limit
    if passed != whole:
        refused = next(t for n, t in enumerate(texts) if "".join(texts[:n]) == passed)
        assert tokenizer.count(passed + refused) > limit
