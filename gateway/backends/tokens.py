"""Count tokens with tiktoken, from the files shipped in the package."""

import os
from collections.abc import Sequence
from pathlib import Path

import tiktoken

from gateway.chat.errors import ConfigError

FILES = Path(__file__).parent.parent / "data" / "tiktoken"
# The names tiktoken's cache looks for. Without its file tiktoken would download at first use:
# blocking, without a timeout, and impossible in a closed network.
SHIPPED = {
    "o200k_base": "fb374d419588a4632f3f557e76b4b70aebbca790",
    "cl100k_base": "9b5ad71b2ce5302211f9c61530b329a4922fc6a4",
}


class Tokenizer:
    """A tokenizer of one encoding; loading takes some tenths of a second, so load before serving.

    Raises `ConfigError` for an encoding whose file is not shipped.
    """

    def __init__(self, encoding: str = "o200k_base") -> None:
        name = SHIPPED.get(encoding)
        if name is None or not (FILES / name).is_file():
            known = ", ".join(SHIPPED)
            raise ConfigError(f"encoding {encoding!r} is not shipped; known: {known}")
        os.environ["TIKTOKEN_CACHE_DIR"] = str(FILES)
        self._encoding = tiktoken.get_encoding(encoding)

    def count(self, text: str) -> int:
        """Return the number of tokens of `text`; `<|endoftext|>` typed by a user is just text."""
        return len(self.encode(text))

    def encode(self, text: str) -> list[int]:
        """Return the tokens of `text`."""
        return self._encoding.encode(text, disallowed_special=())

    def decode_bytes(self, tokens: Sequence[int]) -> bytes:
        """Return the UTF-8 bytes of `tokens`, which may be cut inside a character."""
        return self._encoding.decode_bytes(tokens)
