"""What an answer may be: from a question and an allowance to a request that cannot cost more."""

import msgspec

from gateway.chat.context import TOKENS_PER_MESSAGE, TOKENS_TO_ANSWER, build_prompt
from gateway.chat.errors import ContextTooLong, Permanent
from gateway.chat.pricing import Price
from gateway.chat.records import ContextSource, History, Message, Prompt, Usage
from gateway.chat.rules import Rules


class Draft(msgspec.Struct, frozen=True, kw_only=True):
    """What there is to say; `brief` is the message that asks for a short answer."""

    system: Message
    history: History
    source: ContextSource
    question: Message
    brief: Message


class Plan(msgspec.Struct, frozen=True, kw_only=True):
    """A request and the most it can cost; `limit` is the cap that made the answer shorter, if one did."""

    prompt: Prompt
    max_output_tokens: int
    worst_nano: int
    limit: type[Permanent] | None = None

    @property
    def shortened(self) -> bool:
        """Whether a cap allows only a shorter answer."""
        return self.limit is not None


def plan(draft: Draft, *, allowance: int, limit: type[Permanent], rules: Rules) -> Plan:
    """Return the best request for `allowance` nano-dollars.

    Where a full answer is too dear the oldest history goes first, then the answer's length. Raises `limit`
    where even a short answer is too dear, `ContextTooLong` where the question does not fit the model.
    """
    price = rules.worst_price
    fixed = _tokens(draft.system, draft.question) + TOKENS_TO_ANSWER
    output = min(rules.max_output_tokens, rules.context_tokens - fixed)
    if output < rules.min_output_tokens:
        raise ContextTooLong
    room = min(
        rules.history_tokens,
        rules.context_tokens - fixed - output,
        _affordable(allowance - output * price.output_nano, price.input_nano, rules) - fixed,
    )
    if room >= 0:
        return _plan(draft, history_tokens=room, output=output, price=price, rules=rules)
    fixed += _tokens(draft.brief)
    output = min(
        output,
        rules.context_tokens - fixed,
        _affordable(allowance - fixed * price.input_nano, price.output_nano, rules),
    )
    if output < rules.min_output_tokens:
        raise limit
    return _plan(draft, history_tokens=0, output=output, price=price, rules=rules, limit=limit)


def least_nano(draft: Draft, *, rules: Rules) -> int:
    """Return what the shortest answer worth giving costs at most, in nano-dollars."""
    fixed = _tokens(draft.system, draft.question, draft.brief) + TOKENS_TO_ANSWER
    return rules.worst_price.cost(Usage(input_tokens=fixed, output_tokens=rules.min_output_tokens))


def _plan(
    draft: Draft,
    *,
    history_tokens: int,
    output: int,
    price: Price,
    rules: Rules,
    limit: type[Permanent] | None = None,
) -> Plan:
    prompt = build_prompt(
        draft.question,
        system=draft.system,
        history=draft.history,
        source=draft.source,
        history_messages=rules.history_messages,
        history_tokens=history_tokens,
        brief=draft.brief if limit else None,
    )
    worst = price.cost(Usage(input_tokens=prompt.input_tokens, output_tokens=output))
    return Plan(prompt=prompt, max_output_tokens=output, worst_nano=worst, limit=limit)


def _tokens(*messages: Message) -> int:
    return sum(m.tokens + TOKENS_PER_MESSAGE for m in messages)


def _affordable(allowance: int, price_nano: int, rules: Rules) -> int:
    # A model of one's own may be free.
    if price_nano == 0:
        return rules.context_tokens if allowance >= 0 else -1
    return allowance // price_nano
