"""OpenAI's chat completions on the wire, as far as we send and read them.

Source: https://platform.openai.com/docs/api-reference/chat/create and .../chat/streaming.
"""

from typing import Annotated

import msgspec

from gateway.chat.records import FinishReason, Role, Usage

FINISH_REASONS = {
    "stop": FinishReason.STOP,
    "length": FinishReason.LENGTH,
    "content_filter": FinishReason.CONTENT_FILTER,
}

Tokens = Annotated[int, msgspec.Meta(ge=0, le=1_000_000_000)]


class Line(msgspec.Struct, frozen=True):
    """A message of the prompt."""

    role: Role
    content: str


class StreamOptions(msgspec.Struct, frozen=True):
    """What a stream should hold besides its chunks."""

    include_usage: bool = True


class Request(msgspec.Struct, frozen=True, kw_only=True):
    """The body of a request."""

    model: str
    messages: list[Line]
    max_completion_tokens: int
    stream: bool = True
    stream_options: StreamOptions = StreamOptions()


class TokenDetails(msgspec.Struct):
    """Parts of the tokens sent or made."""

    cached_tokens: Tokens | None = None
    reasoning_tokens: Tokens | None = None


class ReportedUsage(msgspec.Struct):
    """The bill, in tokens."""

    prompt_tokens: Tokens
    completion_tokens: Tokens
    prompt_tokens_details: TokenDetails | None = None
    completion_tokens_details: TokenDetails | None = None

    def record(self) -> Usage:
        """Return it under our names."""
        prompt = self.prompt_tokens_details or TokenDetails()
        completion = self.completion_tokens_details or TokenDetails()
        return Usage(
            input_tokens=self.prompt_tokens,
            cached_tokens=prompt.cached_tokens or 0,
            output_tokens=self.completion_tokens,
            reasoning_tokens=completion.reasoning_tokens or 0,
        )


class ContentDelta(msgspec.Struct):
    """A piece of the answer, or of a refusal to give one."""

    content: str | None = None
    refusal: str | None = None


class Choice(msgspec.Struct):
    """What is new of an answer."""

    # Azure's filter sends choices without one.
    delta: ContentDelta | None = None
    finish_reason: str | None = None


class Event(msgspec.Struct):
    """A `chat.completion.chunk`; an error comes in its place. A bad bill must not spoil a good chunk."""

    choices: list[Choice] | None = None
    usage: object = None
    error: object = None
