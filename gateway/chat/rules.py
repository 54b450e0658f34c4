"""The limits a conversation is held to, as the operator configured them."""

import msgspec

from gateway.chat.pricing import Price


class Rules(msgspec.Struct, frozen=True, kw_only=True):
    """Seconds, characters, tokens, messages and nano-dollars; their sources are in docs/configuration."""

    model: str
    price: Price
    # What the retry uses, where one is set.
    fallback_model: str | None = None
    fallback_price: Price | None = None
    context_tokens: int
    simulated: bool
    key_configured: bool
    max_output_tokens: int
    min_output_tokens: int
    message_chars: int
    messages_per_minute: int
    slow_notice_seconds: float
    first_chunk_seconds: float
    stall_seconds: float
    turn_seconds: float
    history_messages: int
    history_tokens: int
    grace_seconds: float
    checkpoint_seconds: float
    request_nano: int
    session_nano: int
    day_nano: int

    @property
    def worst_price(self) -> Price:
        """The dearer of the prices a question may be answered at."""
        return self.price if self.fallback_price is None else self.price.dearer(self.fallback_price)

    def price_of(self, model: str) -> Price:
        """Return the price of the model that answered."""
        if model == self.fallback_model and self.fallback_price is not None:
            return self.fallback_price
        return self.price
