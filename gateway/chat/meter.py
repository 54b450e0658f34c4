"""Count an answer while it streams, for upstreams that ignore the limit they were given."""

from gateway.chat.compact import decoded, encoded
from gateway.chat.ports import Tokenizer


class Meter:
    """Admits text up to `limit` tokens.

    Three sums, each closer and dearer than the one before, so that a chunk costs next to nothing: bytes
    since the last count (no token is shorter than a byte), tokens of what came since, and, before anything
    is refused, tokens of the whole text. The second may fall a few tokens short of the third where a piece
    ends inside what would be one token; what is settled never passes what was set aside all the same.
    """

    def __init__(self, tokenizer: Tokenizer, *, limit: int) -> None:
        self._tokenizer = tokenizer
        self._limit = limit
        # Not a list: two hundred small strings weigh ten times what is in them.
        self._text = bytearray()
        self._counted = 0
        self._since = 0

    def admit(self, text: str) -> bool:
        """Return whether the answer with `text` stays within the limit; text refused is not counted."""
        before = len(self._text)
        self._text += encoded(text)
        if self._counted + len(self._text) - self._since <= self._limit:
            return True
        self._counted += self._tokenizer.count(decoded(self._text[self._since :]))
        self._since = len(self._text)
        if self._counted <= self._limit:
            return True
        self._counted = self._tokenizer.count(decoded(self._text))
        if self._counted <= self._limit:
            return True
        del self._text[before:]
        self._since = before
        return False
