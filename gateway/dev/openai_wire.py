"""The part of OpenAI's chat completions format that the simulator speaks.

Source: https://platform.openai.com/docs/api-reference/chat and .../chat-streaming.
"""

from enum import StrEnum, unique
from typing import Annotated, NamedTuple

import msgspec
from msgspec import UNSET, Meta, Struct, UnsetType


@unique
class FinishReason(StrEnum):
    """Why an answer ended."""

    STOP = "stop"
    LENGTH = "length"
    CONTENT_FILTER = "content_filter"


class Line(NamedTuple):
    """One message of a prompt, as plain text."""

    role: str
    content: str


class TextPart(Struct, frozen=True, tag_field="type", tag="text"):
    """A text part of a message; the simulator sees no images."""

    text: str


class Message(Struct, frozen=True):
    """One message of a request."""

    role: str
    content: str | list[TextPart] | None = None
    name: str | None = None

    def line(self) -> Line:
        """Return the message as plain text."""
        if self.content is None or isinstance(self.content, str):
            return Line(self.role, self.content or "")
        return Line(self.role, "".join(part.text for part in self.content))


class StreamOptions(Struct, frozen=True):
    """What to add to a stream."""

    include_usage: bool | None = None


Limit = Annotated[int, Meta(ge=1)]


class ChatRequest(Struct, frozen=True):
    """A request for an answer; fields the simulator does not need are ignored."""

    model: str
    messages: Annotated[list[Message], Meta(min_length=1)]
    stream: bool | None = None
    stream_options: StreamOptions | None = None
    max_completion_tokens: Limit | None = None
    max_tokens: Limit | None = None  # the older name of the same limit

    @property
    def limit(self) -> int | None:
        """The most tokens the answer may have, or None."""
        return self.max_completion_tokens or self.max_tokens

    @property
    def include_usage(self) -> bool:
        """Whether the stream shall end with a usage chunk."""
        return bool(self.stream_options and self.stream_options.include_usage)


class PromptDetails(Struct, frozen=True):
    """How many prompt tokens were cheaper: none, the simulator has no cache."""

    cached_tokens: int = 0


class CompletionDetails(Struct, frozen=True):
    """How many answer tokens were never shown: none, the simulator does not reason."""

    reasoning_tokens: int = 0


class Usage(Struct, frozen=True):
    """The bill of one answer, in tokens."""

    prompt_tokens: int
    completion_tokens: int
    total_tokens: int
    prompt_tokens_details: PromptDetails = PromptDetails()
    completion_tokens_details: CompletionDetails = CompletionDetails()


class Delta(Struct, frozen=True):
    """What a chunk adds to the answer."""

    role: str | UnsetType = UNSET
    content: str | UnsetType = UNSET


class ChunkChoice(Struct, frozen=True):
    """The one choice of a chunk."""

    delta: Delta
    index: int = 0
    logprobs: None = None
    finish_reason: FinishReason | None = None


class Chunk(Struct, frozen=True):
    """One event of a stream; `usage` is absent unless asked for, then null but in the last."""

    id: str
    created: int
    model: str
    choices: tuple[ChunkChoice, ...]
    usage: Usage | UnsetType | None = UNSET
    object: str = "chat.completion.chunk"


class AnswerMessage(Struct, frozen=True):
    """The answer of a completion."""

    content: str
    role: str = "assistant"
    refusal: None = None


class Choice(Struct, frozen=True):
    """The one choice of a completion."""

    message: AnswerMessage
    finish_reason: FinishReason
    index: int = 0
    logprobs: None = None


class Completion(Struct, frozen=True):
    """An answer in one piece."""

    id: str
    created: int
    model: str
    choices: tuple[Choice, ...]
    usage: Usage | UnsetType = UNSET
    object: str = "chat.completion"


class ErrorBody(Struct, frozen=True):
    """What went wrong, in OpenAI's four fields."""

    message: str
    type: str
    param: str | None = None
    code: str | None = None


class ErrorEnvelope(Struct, frozen=True):
    """An error as a body or as a stream's event."""

    error: ErrorBody


class Model(Struct, frozen=True):
    """An entry of the list of models."""

    id: str
    created: int = 0
    owned_by: str = "simulator"
    object: str = "model"


class ModelList(Struct, frozen=True):
    """The list of models."""

    data: tuple[Model, ...]
    object: str = "list"


def event(body: Chunk | ErrorEnvelope) -> bytes:
    """Return `body` as one server-sent event (WHATWG HTML, section 9.2)."""
    return b"data: " + msgspec.json.encode(body) + b"\n\n"
