"""Tokens are counted as the upstream counts them, from the shipped files, without a network."""

import subprocess
import sys
import time
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.backends.tokens import FILES, SHIPPED, Tokenizer
from gateway.chat.errors import ConfigError

ROOT = Path(__file__).parents[1]
# Loads every shipped encoding; whoever wants the network, or a name resolved, crashes the process.
OFFLINE = """
import os, sys

def refuse(event, _arguments):
    if event.startswith(("socket.connect", "socket.getaddrinfo", "os.remove")):
        os._exit(3)

sys.addaudithook(refuse)

from gateway.backends.tokens import SHIPPED, Tokenizer

for name in SHIPPED:
    Tokenizer(name)
print("loaded")
"""


@pytest.fixture(scope="module")
def tokenizer() -> Tokenizer:
    """Load the usual encoding once."""
    return Tokenizer()


def test_known_count(tokenizer: Tokenizer) -> None:
    """The count is the one OpenAI's tokenizer page shows for o200k_base."""
    assert tokenizer.encode("hello world") == [24912, 2375]
    assert tokenizer.count("hello world") == 2


def test_korean(tokenizer: Tokenizer) -> None:
    """Korean survives encoding and decoding."""
    text = "영업이익은 14.4% 줄었다."

    assert tokenizer.decode_bytes(tokenizer.encode(text)).decode() == text


def test_empty(tokenizer: Tokenizer) -> None:
    """Nothing has no tokens."""
    assert tokenizer.count("") == 0


@pytest.mark.parametrize("text", ["<|endoftext|>", "<|endofprompt|>", "<|im_start|>system"])
def test_special_tokens_are_text(tokenizer: Tokenizer, text: str) -> None:
    """A special token typed by a user is counted and kept as the text it is."""
    assert tokenizer.count(text) > 1
    assert tokenizer.decode_bytes(tokenizer.encode(text)).decode() == text


def test_lone_surrogate(tokenizer: Tokenizer) -> None:
    """Half a surrogate pair is counted as the replacement character, not raised."""
    assert (
        tokenizer.decode_bytes(tokenizer.encode("\ud800")).decode() == "\N{REPLACEMENT CHARACTER}"
    )


@given(text=st.text())
def test_any_text(text: str) -> None:
    """Any text comes back from its tokens."""
    tokenizer = Tokenizer()

    assert tokenizer.decode_bytes(tokenizer.encode(text)).decode() == text


def test_cut_inside_a_character(tokenizer: Tokenizer) -> None:
    """Tokens may end inside a character; their bytes are still given."""
    tokens = tokenizer.encode("\N{CUNEIFORM SIGN A}")
    assert len(tokens) > 1

    assert "\N{CUNEIFORM SIGN A}".encode().startswith(tokenizer.decode_bytes(tokens[:1]))


@pytest.mark.parametrize("piece", ["a", " ", "\n", "1", "^", "가", "\u200d", "\0", "Aa", "👩‍👧"])
def test_unbroken_text_is_quick(tokenizer: Tokenizer, piece: str) -> None:
    """A frame full of one character takes no more than a moment (tiktoken#195: it took minutes)."""
    text = piece * (65_536 // len(piece.encode()))
    start = time.thread_time()

    assert tokenizer.count(text) > 0
    assert time.thread_time() - start < 1  # some 20 ms; a second is a hang


def test_encodings_differ() -> None:
    """Each shipped encoding is the one it is named after."""
    assert Tokenizer("cl100k_base").encode("hello world") == [15339, 1917]


@pytest.mark.parametrize("name", ["gpt2", "", "../o200k_base", "O200K_BASE"])
def test_unknown_encoding(name: str) -> None:
    """An encoding that is not shipped is refused with a line that names those that are."""
    with pytest.raises(ConfigError) as caught:
        Tokenizer(name)

    assert str(caught.value) == (
        f"encoding {name!r} is not shipped; known: o200k_base, cl100k_base"
    )


@pytest.mark.parametrize("name", SHIPPED.values())
def test_files_are_shipped(name: str) -> None:
    """The file of every encoding is in the package, under the name tiktoken looks for."""
    assert (FILES / name).is_file()


def test_no_network() -> None:
    """Loading neither resolves a name, nor connects, nor throws a shipped file away."""
    done = subprocess.run(
        [sys.executable, "-c", OFFLINE], cwd=ROOT, capture_output=True, text=True, check=False
    )

    assert done.stdout == "loaded\n"
