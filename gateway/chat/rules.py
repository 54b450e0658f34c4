"""The limits a conversation is held to, as the operator configured them."""

import msgspec

from gateway.chat.pricing import Price


class Rules(msgspec.Struct, frozen=True, kw_only=True):
    """Seconds, characters, tokens, messages and nano-dollars; their sources are in docs/configuration."""

    model: str
    price: Price
    simulated: bool
    key_configured: bool
    max_output_tokens: int
    message_chars: int
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
