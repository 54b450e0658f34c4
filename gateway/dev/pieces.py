"""Cut an answer to its token limit and into the pieces a model would stream."""

from collections.abc import Iterable, Iterator
from typing import NamedTuple

from gateway.backends.tokens import Tokenizer
from gateway.dev.openai_wire import Message

# What a chat prompt costs beside its texts:
# https://cookbook.openai.com/examples/how_to_count_tokens_with_tiktoken
TOKENS_PER_MESSAGE = 3
TOKENS_PER_NAME = 1
TOKENS_PER_REPLY = 3


class Piece(NamedTuple):
    """A part of an answer that is whole characters, and its size in tokens."""

    text: str
    tokens: int


def prompt_tokens(messages: Iterable[Message], *, tokenizer: Tokenizer) -> int:
    """Return what a prompt costs, in tokens."""
    total = TOKENS_PER_REPLY
    for message in messages:
        role, content = message.line()
        total += TOKENS_PER_MESSAGE + tokenizer.count(role) + tokenizer.count(content)
        if message.name is not None:
            total += TOKENS_PER_NAME + tokenizer.count(message.name)
    return total


def within_limit(text: str, *, limit: int, tokenizer: Tokenizer) -> str:
    """Return the longest beginning of `text` that has at most `limit` tokens.

    It has exactly `limit` unless the cut would fall inside a character, which is then left out.
    """
    tokens = tokenizer.encode(text)
    if len(tokens) <= limit:
        return text
    longest = ""
    # A beginning is split into words anew and may have a token less than it was cut from: go on
    # until it is too long.
    for keep in range(limit - 1, len(tokens)):
        # "ignore" can only drop a character cut at the end: all before it is valid.
        beginning = tokenizer.decode_bytes(tokens[:keep]).decode("utf-8", "ignore")
        if tokenizer.count(beginning) > limit:
            break
        longest = beginning
    return longest


def pieces(text: str, *, tokenizer: Tokenizer) -> Iterator[Piece]:
    """Yield `text` token by token, several together where a character spans them."""
    group: list[int] = []
    for token in tokenizer.encode(text):
        group.append(token)
        try:
            part = tokenizer.decode_bytes(group).decode()
        except UnicodeDecodeError:
            continue
        yield Piece(part, len(group))
        group = []
