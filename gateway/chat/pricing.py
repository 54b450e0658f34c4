"""Turn usage into money: a table of prices and integer nano-dollars."""

import math
import re
from decimal import Decimal
from typing import Annotated, Self

import msgspec

from gateway.chat.records import Usage

NANO_PER_USD = 1_000_000_000
# One dollar for a million tokens is a thousand nano-dollars for one.
NANO_PER_TOKEN = 1_000
# Dated names: `gpt-4o-2024-08-06`, `gpt-4-0613`.
DATED = re.compile(r"-(\d{4}-\d{2}-\d{2}|\d{4})\Z")
SIMULATED = "sim-"


class Price(msgspec.Struct, frozen=True, kw_only=True):
    """Nano-dollars for one token of a model; reasoning tokens are output tokens."""

    input_nano: int
    cached_input_nano: int
    output_nano: int
    # Whether there may be output that nobody is shown, and so nobody can count.
    reasons: bool = False

    def dearer(self, other: Self) -> Self:
        """Return a price that is below neither."""
        return type(self)(
            input_nano=max(self.input_nano, other.input_nano),
            cached_input_nano=max(self.cached_input_nano, other.cached_input_nano),
            output_nano=max(self.output_nano, other.output_nano),
            reasons=self.reasons or other.reasons,
        )

    def cost(self, usage: Usage) -> int:
        """Return what `usage` costs, in nano-dollars."""
        # An upstream may report more cached than there was: no discount turns into a credit.
        cached = min(usage.cached_tokens, usage.input_tokens)
        return (
            (usage.input_tokens - cached) * self.input_nano
            + cached * self.cached_input_nano
            + usage.output_tokens * self.output_nano
        )


class ModelFacts(msgspec.Struct, frozen=True, kw_only=True):
    """What is known of a model: dollars for a million tokens, and how many tokens it can take."""

    input_usd_per_mtok: Decimal
    output_usd_per_mtok: Decimal
    cached_input_usd_per_mtok: Decimal | None = None
    context_tokens: Annotated[int, msgspec.Meta(ge=1)] = 128_000
    encoding: str = "o200k_base"
    reasons: bool = False

    @property
    def price(self) -> Price:
        """The price of a token, rounded up so that rounding never passes a cap."""
        cached = self.cached_input_usd_per_mtok
        return Price(
            input_nano=_nano_per_token(self.input_usd_per_mtok),
            cached_input_nano=_nano_per_token(
                self.input_usd_per_mtok if cached is None else cached
            ),
            output_nano=_nano_per_token(self.output_usd_per_mtok),
            reasons=self.reasons,
        )


class PriceTable(msgspec.Struct, frozen=True, kw_only=True):
    """Prices as published on `as_of`; source: OpenAI's pricing page."""

    as_of: str
    models: dict[str, ModelFacts]

    def find(self, model: str) -> ModelFacts | None:
        """Return the facts of `model`, of its family if the name is dated, or None."""
        if model.startswith(SIMULATED):
            model = f"{SIMULATED}*"
        return self.models.get(model) or self.models.get(DATED.sub("", model))


def usd(nano: int) -> str:
    """Return `nano` nano-dollars as a decimal string in dollars, cents at least."""
    whole, rest = divmod(nano, NANO_PER_USD)
    return f"{whole}.{f'{rest:09d}'.rstrip('0').ljust(2, '0')}"


def nano(usd: Decimal) -> int:
    """Return `usd` dollars in nano-dollars."""
    return int(usd * NANO_PER_USD)


def _nano_per_token(usd_per_mtok: Decimal) -> int:
    return math.ceil(usd_per_mtok * NANO_PER_TOKEN)
