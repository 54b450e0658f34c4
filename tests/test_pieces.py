"""An answer is cut to its limit and into pieces without breaking a character."""

import pytest

from gateway.backends.tokens import Tokenizer
from gateway.dev.pieces import pieces, within_limit

RARE = "뷁쀍 🧑🏽‍🚀 text"  # each of its first characters spans several tokens


@pytest.fixture(scope="module")
def tokenizer() -> Tokenizer:
    """Load the tokenizer once."""
    return Tokenizer()


def test_limit_is_exact(tokenizer: Tokenizer) -> None:
    """A cut text has exactly as many tokens as its limit."""
    text = "The quick brown fox jumps over the lazy dog. " * 5
    counts = [
        tokenizer.count(within_limit(text, limit=n, tokenizer=tokenizer)) for n in range(1, 30)
    ]
    assert counts == list(range(1, 30))


def test_limit_inside_a_character(tokenizer: Tokenizer) -> None:
    """A limit that falls inside a character leaves the character out."""
    cuts = [within_limit(RARE, limit=n, tokenizer=tokenizer) for n in range(1, 40)]
    assert cuts[0] == ""
    assert all(RARE.startswith(cut) for cut in cuts)
    assert all(tokenizer.count(cut) <= n for n, cut in enumerate(cuts, start=1))


def test_limit_between_spaces(tokenizer: Tokenizer) -> None:
    """Spaces that merge at a cut make room for one token more."""
    text = " \ta " * 20
    counts = [
        tokenizer.count(within_limit(text, limit=n, tokenizer=tokenizer)) for n in range(1, 30)
    ]
    assert counts == list(range(1, 30))


def test_no_cut_below_the_limit(tokenizer: Tokenizer) -> None:
    """A text within its limit stays whole."""
    assert within_limit(RARE, limit=1_000, tokenizer=tokenizer) == RARE


def test_pieces_are_the_text(tokenizer: Tokenizer) -> None:
    """The pieces together are the text and all of its tokens."""
    parts = list(pieces(RARE, tokenizer=tokenizer))
    assert "".join(part.text for part in parts) == RARE
    assert sum(part.tokens for part in parts) == tokenizer.count(RARE)
    assert parts[0].tokens > 1
