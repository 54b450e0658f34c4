"""A request never costs more than its allowance, and never more tokens than the model takes."""

from typing import Any

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from gateway.chat.context import TOKENS_PER_MESSAGE, TOKENS_TO_ANSWER
from gateway.chat.errors import ContextTooLong, CostCapReached, SessionBudgetReached
from gateway.chat.planning import Draft, Plan, least_nano, plan
from gateway.chat.pricing import Price
from gateway.chat.records import ContextSource, History, Role
from gateway.chat.rules import Rules
from tests.builders import a_message, an_exchange, rules

RICH = 1_000_000_000
BRIEF = a_message("Be brief.", role=Role.SYSTEM, tokens=6)
# The system message and the question of a draft, as tokens.
FIXED = 20 + 5 + 2 * TOKENS_PER_MESSAGE + TOKENS_TO_ANSWER
# An exchange of a draft, as tokens.
EXCHANGE = 2 * (1 + TOKENS_PER_MESSAGE)
SHORTEST = FIXED + BRIEF.tokens + TOKENS_PER_MESSAGE


def draft(*, exchanges: int = 0) -> Draft:
    """Return a question of 5 tokens after a system message of 20 and `exchanges`."""
    return Draft(
        system=a_message("Answer.", role=Role.SYSTEM, tokens=20),
        history=History(
            last_turn=exchanges,
            exchanges=tuple(an_exchange(f"q{n}", f"a{n}") for n in range(exchanges)),
        ),
        source=ContextSource.CACHE,
        question=a_message("Why?", tokens=5),
        brief=BRIEF,
    )


def cost(input_tokens: int, output_tokens: int) -> int:
    """Return what a request costs at the prices of the tests."""
    return input_tokens * 150 + output_tokens * 600


def planned(allowance: int, *, exchanges: int = 0, **changes: Any) -> Plan:
    """Return the plan for a question under rules with `changes`."""
    return plan(
        draft(exchanges=exchanges),
        allowance=allowance,
        limit=CostCapReached,
        rules=rules(**changes),
    )


def texts(plan: Plan) -> list[str]:
    """Return what a plan sends."""
    return [message.text for message in plan.prompt.messages]


def test_enough_money_gives_a_full_answer() -> None:
    """With money enough all of the history is sent and a full answer asked for."""
    made = planned(RICH, exchanges=1)
    assert texts(made) == ["Answer.", "q0", "a0", "Why?"]
    assert (made.max_output_tokens, made.limit, made.shortened) == (100, None, False)


def test_worst_cost_is_exact() -> None:
    """The most a request can cost is its prompt and a full answer, nothing cached."""
    made = planned(RICH, exchanges=1)
    assert made.worst_nano == cost(FIXED + EXCHANGE, 100)


def test_just_enough_money_is_enough() -> None:
    """An allowance of exactly the worst cost shortens nothing."""
    made = planned(cost(FIXED + EXCHANGE, 100), exchanges=1)
    assert (made.prompt.dropped, made.shortened) == (0, False)


def test_history_goes_first() -> None:
    """Where a full answer is too dear the oldest history goes, and the answer stays full."""
    made = planned(cost(FIXED + EXCHANGE, 100), exchanges=3)
    assert texts(made) == ["Answer.", "q2", "a2", "Why?"]
    assert (made.prompt.dropped, made.max_output_tokens, made.shortened) == (4, 100, False)


def test_then_the_answer_gets_shorter() -> None:
    """Where even the bare question is too dear a short answer is asked for, in words, too."""
    made = planned(cost(SHORTEST, 40), exchanges=3)
    assert texts(made) == ["Answer.", "Why?", "Be brief."]
    assert (made.max_output_tokens, made.shortened, made.limit) == (40, True, CostCapReached)
    assert made.worst_nano == cost(SHORTEST, 40)


def test_shortest_answer_is_still_given() -> None:
    """The least that is worth giving is given."""
    assert planned(cost(SHORTEST, 10)).max_output_tokens == 10


def test_below_that_is_refused() -> None:
    """Where even a short answer is too dear the limit that says so is raised."""
    with pytest.raises(CostCapReached):
        planned(cost(SHORTEST, 10) - 1)


def test_limit_named_is_the_one_given() -> None:
    """The limit raised is that of the budget the allowance is of."""
    with pytest.raises(SessionBudgetReached):
        plan(draft(), allowance=0, limit=SessionBudgetReached, rules=rules())


def test_history_has_its_own_limit() -> None:
    """However much money there is, history keeps to its limit in tokens."""
    made = planned(RICH, exchanges=3, history_tokens=EXCHANGE)
    assert (made.prompt.history_messages, made.prompt.dropped) == (2, 4)


def test_history_leaves_room_for_the_answer() -> None:
    """What the model takes at once is prompt and answer, so history makes room for a full one."""
    made = planned(RICH, exchanges=3, context_tokens=FIXED + EXCHANGE + 100)
    assert (made.prompt.history_messages, made.max_output_tokens) == (2, 100)


def test_answer_fits_the_model() -> None:
    """After a long question the answer is as long as the model has room for."""
    made = planned(RICH, context_tokens=FIXED + 50)
    assert (made.max_output_tokens, made.shortened) == (50, False)


def test_question_too_long_for_the_model() -> None:
    """A question that leaves no room for an answer is `ContextTooLong`, however rich one is."""
    with pytest.raises(ContextTooLong):
        planned(RICH, context_tokens=FIXED + 9)


def test_free_model_needs_no_allowance() -> None:
    """A model that costs nothing answers in full without money."""
    free = Price(input_nano=0, cached_input_nano=0, output_nano=0)
    made = planned(0, exchanges=1, price=free)
    assert (made.prompt.history_messages, made.max_output_tokens, made.worst_nano) == (2, 100, 0)


def test_dearer_of_two_models_is_what_counts() -> None:
    """A request may be retried with the fallback, so it must be affordable with either."""
    dear = Price(input_nano=300, cached_input_nano=300, output_nano=600)
    made = planned(RICH, fallback_model="dear", fallback_price=dear)
    assert made.worst_nano == FIXED * 300 + 100 * 600


def test_least_is_the_shortest_answers_cost() -> None:
    """The least a budget must have left is the cost of the shortest answer worth giving."""
    assert least_nano(draft(exchanges=3), rules=rules()) == cost(SHORTEST, 10)


@st.composite
def situations(draw: st.DrawFn) -> tuple[int, int, Rules]:
    """Return an allowance, a number of exchanges, and rules, all of them tight."""
    return (
        draw(st.integers(0, 150_000)),
        draw(st.integers(0, 5)),
        rules(
            context_tokens=draw(st.integers(30, 400)),
            history_tokens=draw(st.integers(0, 60)),
            max_output_tokens=draw(st.integers(10, 150)),
            price=Price(
                input_nano=draw(st.integers(0, 500)),
                cached_input_nano=0,
                output_nano=draw(st.integers(0, 900)),
            ),
        ),
    )


def test_free_input_does_not_make_output_free() -> None:
    """A model whose input costs nothing still has its answers paid for."""
    half_free = Price(input_nano=0, cached_input_nano=0, output_nano=600)
    assert planned(100 * 600, price=half_free).max_output_tokens == 100
    assert planned(50 * 600, price=half_free).max_output_tokens == 50
    with pytest.raises(CostCapReached):
        planned(0, price=half_free)


def made(situation: tuple[int, int, Rules]) -> Plan | None:
    """Return the plan for `situation`, None where none was possible."""
    allowance, exchanges, held = situation
    asked = draft(exchanges=exchanges)
    try:
        return plan(asked, allowance=allowance, limit=CostCapReached, rules=held)
    except (CostCapReached, ContextTooLong):
        return None


@settings(deadline=None, derandomize=True, database=None, max_examples=300)
@given(situations())
def test_no_plan_costs_more_than_its_allowance(situation: tuple[int, int, Rules]) -> None:
    """Whatever the prices and limits, a request is affordable at its worst."""
    plan = made(situation)
    assert plan is None or plan.worst_nano <= situation[0]


@settings(deadline=None, derandomize=True, database=None, max_examples=300)
@given(situations())
def test_no_plan_is_longer_than_the_model_takes(situation: tuple[int, int, Rules]) -> None:
    """Whatever the prices and limits, prompt and answer fit the model."""
    plan, held = made(situation), situation[2]
    if plan is not None:
        assert plan.prompt.input_tokens + plan.max_output_tokens <= held.context_tokens


@settings(deadline=None, derandomize=True, database=None, max_examples=300)
@given(situations())
def test_no_answer_is_longer_than_the_rules_allow(situation: tuple[int, int, Rules]) -> None:
    """Whatever the prices and limits, an answer has between the least and the most tokens."""
    plan, held = made(situation), situation[2]
    if plan is not None:
        assert held.min_output_tokens <= plan.max_output_tokens <= held.max_output_tokens


@settings(deadline=None, derandomize=True, database=None, max_examples=300)
@given(situations())
def test_least_is_enough(situation: tuple[int, int, Rules]) -> None:
    """A budget that has the least left is never refused, where the model has room at all."""
    _, exchanges, held = situation
    assume(held.context_tokens >= SHORTEST + held.min_output_tokens)
    asked = draft(exchanges=exchanges)
    made = plan(asked, allowance=least_nano(asked, rules=held), limit=CostCapReached, rules=held)
    assert made.max_output_tokens >= held.min_output_tokens
