"""Whatever is asked, answered and reported: settled is at most reserved, reserved at most the cap."""

from typing import NamedTuple

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.chat.context import brief_message, system_message
from gateway.chat.errors import (
    ContextTooLong,
    CostCapReached,
    GatewayError,
    Stalled,
    UpstreamTruncated,
)
from gateway.chat.guard import Stop, Stopped
from gateway.chat.meter import Meter
from gateway.chat.planning import Draft, Plan, least_nano, plan
from gateway.chat.pricing import Price
from gateway.chat.reading import Reading
from gateway.chat.records import (
    ContextSource,
    CostSource,
    Exchange,
    FinishReason,
    History,
    Message,
    Role,
    Usage,
)
from gateway.chat.rules import Rules
from gateway.chat.settlement import settle
from gateway.dev import openai_wire
from gateway.dev.pieces import prompt_tokens
from gateway.dev.voice.long_answers import korean_page
from tests.builders import a_reading, a_report, an_exchange, rules
from tests.fakes import FakeClock
from tests.running_gateway import shared_tokenizer

# The same examples every time: a build does not fail by chance.
examples = settings(deadline=None, database=None, derandomize=True, max_examples=300)

TOKENIZER = shared_tokenizer()
SYSTEM = system_message(a_report(), count=TOKENIZER.count)
BRIEF = brief_message(count=TOKENIZER.count)
# The most an upstream is believed to have used; the client passes over what reports more.
MOST_TOKENS = 10**9
ENGLISH = (
    "Revenue rose by a tenth, said the company's report (table 2): 13,728 won.\n\n- It's up!\n" * 40
)
KOREAN = korean_page()

words = st.one_of(st.text(max_size=60), st.sampled_from([ENGLISH[:300], KOREAN[:400]]))
prices = st.builds(
    lambda fresh, cached, out: Price(
        input_nano=fresh, cached_input_nano=min(cached, fresh), output_nano=out
    ),
    st.integers(0, 30_000),
    st.integers(0, 30_000),
    st.integers(0, 60_000),
)
counts = st.one_of(st.integers(0, 2_000), st.integers(0, MOST_TOKENS))
usages = st.builds(
    lambda i, c, o, r: Usage(input_tokens=i, cached_tokens=c, output_tokens=o, reasoning_tokens=r),
    *[counts] * 4,
)
endings: st.SearchStrategy[GatewayError | Stopped | None] = st.sampled_from(
    [None, Stalled(), UpstreamTruncated(), CostCapReached(), Stopped(Stop.CANCELLED)]
)


class Asked(NamedTuple):
    """A question as it comes to be planned."""

    draft: Draft
    rules: Rules


@st.composite
def questions(draw: st.DrawFn) -> Asked:
    """Return a question with its history, under rules of any tightness."""
    history = History(
        last_turn=0,
        exchanges=tuple(
            exchange(question, answer)
            for question, answer in draw(st.lists(st.tuples(words, words), max_size=6))
        ),
    )
    draft = Draft(
        system=SYSTEM,
        history=history,
        source=ContextSource.DATABASE,
        question=message(Role.USER, draw(words)),
        brief=BRIEF,
    )
    least = draw(st.integers(1, 64))
    fallback = draw(st.none() | prices)
    held = rules(
        price=draw(prices),
        fallback_model="fallback" if fallback else None,
        fallback_price=fallback,
        context_tokens=draw(st.one_of(st.just(128_000), st.integers(100, 1_500))),
        min_output_tokens=least,
        max_output_tokens=draw(st.integers(least, 1_500)),
        history_messages=draw(st.integers(0, 12)),
        history_tokens=draw(st.integers(0, 1_500)),
    )
    return Asked(draft, held)


def message(role: Role, text: str) -> Message:
    """Return a message, counted as the gateway counts it."""
    return Message(role, text, TOKENIZER.count(text))


def exchange(question: str, answer: str) -> Exchange:
    """Return an exchange, counted as the gateway counts it."""
    one = an_exchange()
    return Exchange(
        turn_id=one.turn_id,
        question=message(Role.USER, question),
        answer=message(Role.ASSISTANT, answer),
    )


def planned(asked: Asked, allowance: int) -> Plan | None:
    """Return what `allowance` buys, None where it buys nothing."""
    try:
        return plan(asked.draft, allowance=allowance, limit=CostCapReached, rules=asked.rules)
    except (CostCapReached, ContextTooLong):
        return None


def allowances(asked: Asked, share: float) -> int:
    """Return a share of a rich allowance, so that every degree of tightness comes up."""
    full = planned(asked, 10**15)
    top = full.worst_nano if full else 1_000
    return int(least_nano(asked.draft, rules=asked.rules) * 0.9 + top * share)


shares = st.floats(0, 1.2)


@examples
@given(questions(), shares)
def test_plan_keeps_its_allowance(asked: Asked, share: float) -> None:
    """A request costs no more than its allowance at either model's price, and fits the model."""
    allowance = allowances(asked, share)
    made = planned(asked, allowance)
    if made is None:
        return
    all_used = Usage(input_tokens=made.prompt.input_tokens, output_tokens=made.max_output_tokens)
    for model in ("sim-test", "fallback"):
        assert asked.rules.price_of(model).cost(all_used) <= made.worst_nano <= allowance
    held = asked.rules
    assert held.min_output_tokens <= made.max_output_tokens <= held.max_output_tokens
    assert made.prompt.input_tokens + made.max_output_tokens <= held.context_tokens


@examples
@given(questions(), shares)
def test_prompt_is_counted_as_the_upstream_counts(asked: Asked, share: float) -> None:
    """The tokens of a prompt are what an upstream bills for it, to the token."""
    made = planned(asked, allowances(asked, share))
    if made is not None:
        sent = [openai_wire.Message(m.role, m.text) for m in made.prompt.messages]
        assert prompt_tokens(sent, tokenizer=TOKENIZER) == made.prompt.input_tokens


@examples
@given(questions(), shares, shares)
def test_more_money_never_buys_less(asked: Asked, one: float, other: float) -> None:
    """A larger allowance never gives less history or a shorter answer."""
    less, more = sorted(allowances(asked, share) for share in (one, other))
    poor, rich = planned(asked, less), planned(asked, more)
    if poor is None:
        return
    assert rich is not None
    assert rich.prompt.history_messages >= poor.prompt.history_messages
    assert rich.max_output_tokens >= poor.max_output_tokens
    assert poor.shortened or not rich.shortened


@examples
@given(
    questions(),
    shares,
    st.lists(words, max_size=12),
    st.none() | usages,
    endings,
    st.booleans(),
)
def test_settled_is_at_most_reserved(
    asked: Asked,
    share: float,
    pieces: list[str],
    usage: Usage | None,
    ended: GatewayError | Stopped | None,
    retried: bool,
) -> None:
    """Whatever comes and is reported, a turn costs from nothing to its reservation."""
    made = planned(asked, allowances(asked, share))
    if made is None:
        return
    reading = read(made, pieces, usage=usage)
    if retried and asked.rules.fallback_model:
        reading.model = asked.rules.fallback_model
    outcome = settle(reading, plan=made, ended=ended, tokenizer=TOKENIZER, rules=asked.rules)
    assert 0 <= outcome.cost_nano <= made.worst_nano
    assert outcome.cost_source is (CostSource.REPORTED if usage else CostSource.ESTIMATED)


def read(made: Plan, pieces: list[str], *, usage: Usage | None) -> Reading:
    """Return the reading of an answer of `pieces`, as far as the meter lets them pass."""
    reading, meter = a_reading(FakeClock()), Meter(TOKENIZER, limit=made.max_output_tokens)
    reading.reached, reading.usage, reading.finish_reason = True, usage, FinishReason.STOP
    for piece in pieces:
        if not meter.admit(piece):
            break
        reading.turn.answer.append(piece)
    return reading


@examples
@given(
    st.sampled_from([ENGLISH, KOREAN]),
    st.integers(0, 800),
    st.lists(st.integers(1, 40), min_size=1, max_size=8),
    st.integers(1, 300),
)
def test_metered_answer_is_within_its_limit(
    text: str, start: int, sizes: list[int], limit: int
) -> None:
    """However prose is cut into chunks, as many tokens pass as were allowed, and no more."""
    meter, passed, at, size = Meter(TOKENIZER, limit=limit), "", start, 0
    while at < len(text):
        piece = text[at : at + sizes[size % len(sizes)]]
        if not meter.admit(piece):
            assert TOKENIZER.count(passed + piece) > limit
            break
        passed, at, size = passed + piece, at + len(piece), size + 1
    assert TOKENIZER.count(passed) <= limit


@pytest.mark.parametrize("share", [0.0, 0.3, 1.0])
def test_situations_are_varied(share: float) -> None:
    """The shares of money above do make plans, so that the properties say something."""
    asked = Asked(
        Draft(
            system=SYSTEM,
            history=History(last_turn=0, exchanges=(exchange("Why?", KOREAN[:400]),)),
            source=ContextSource.DATABASE,
            question=message(Role.USER, "Why?"),
            brief=BRIEF,
        ),
        rules(),
    )
    made = planned(asked, allowances(asked, share))
    assert {0.0: None, 0.3: True, 1.0: False}[share] == (made and made.shortened)
