"""A prompt is the report, as much of the conversation as fits, and the question."""

from typing import Any

from gateway.chat.context import (
    BRIEF,
    TOKENS_PER_MESSAGE,
    TOKENS_TO_ANSWER,
    brief_message,
    build_prompt,
    system_message,
)
from gateway.chat.records import ContextSource, History, Prompt, Role
from tests.builders import a_message, a_report, an_exchange
from tests.fakes import CountingTokenizer

COUNT = CountingTokenizer().count
SYSTEM = a_message("Answer.", role=Role.SYSTEM)
QUESTION = a_message("Why so?")


def prompt(*exchanges: tuple[str, str], **changes: Any) -> Prompt:
    """Return the prompt for a question after `exchanges`."""
    history = History(
        last_turn=len(exchanges), exchanges=tuple(an_exchange(q, a) for q, a in exchanges)
    )
    usual: dict[str, Any] = {
        "system": SYSTEM,
        "history": history,
        "source": ContextSource.CACHE,
        "history_messages": 20,
        "history_tokens": 6000,
    }
    return build_prompt(QUESTION, **usual | changes)


def texts(prompt: Prompt) -> list[str]:
    """Return the texts of a prompt in order."""
    return [message.text for message in prompt.messages]


def test_order_is_system_history_question() -> None:
    """A prompt begins with the instructions and ends with the question."""
    assert texts(prompt(("q1", "a1"), ("q2", "a2"))) == [
        "Answer.",
        "q1",
        "a1",
        "q2",
        "a2",
        "Why so?",
    ]


def test_each_message_has_its_role() -> None:
    """The model is told who said what."""
    assert [m.role for m in prompt(("q", "a")).messages] == [
        Role.SYSTEM,
        Role.USER,
        Role.ASSISTANT,
        Role.USER,
    ]


def test_exactly_the_last_messages_are_kept() -> None:
    """Of a long conversation just so many messages are sent, the last ones."""
    built = prompt(("q1", "a1"), ("q2", "a2"), ("q3", "a3"), history_messages=4)
    assert texts(built) == ["Answer.", "q2", "a2", "q3", "a3", "Why so?"]


def test_odd_limit_begins_with_an_answer() -> None:
    """An odd number of messages is kept exactly, too."""
    built = prompt(("q1", "a1"), ("q2", "a2"), history_messages=3)
    assert texts(built) == ["Answer.", "a1", "q2", "a2", "Why so?"]


def test_no_history_at_all() -> None:
    """A limit of no messages sends only the question."""
    built = prompt(("q", "a"), history_messages=0)
    assert (texts(built), built.history_messages) == (["Answer.", "Why so?"], 0)


def test_token_limit_drops_the_oldest() -> None:
    """Over the limit in tokens the oldest messages go, and none older than them stays."""
    room = 3 * (1 + TOKENS_PER_MESSAGE)
    built = prompt(("tiny", "much too long for that"), ("q2", "a2"), history_tokens=room)
    assert texts(built) == ["Answer.", "q2", "a2", "Why so?"]


def test_token_limit_is_reached_exactly() -> None:
    """Messages that just fit the limit in tokens are kept."""
    room = 2 * (1 + TOKENS_PER_MESSAGE)
    assert prompt(("q", "a"), history_tokens=room).history_messages == 2
    assert prompt(("q", "a"), history_tokens=room - 1).history_messages == 1


def test_receipt_counts_what_was_kept_and_dropped() -> None:
    """The receipt says how many messages were sent and how many did not fit in tokens."""
    room = 2 * (1 + TOKENS_PER_MESSAGE)
    built = prompt(
        ("q1", "a1"), ("q2", "a2"), ("q3", "a3"), history_messages=4, history_tokens=room
    )
    assert (built.history_messages, built.dropped) == (2, 2)


def test_receipt_says_where_the_history_came_from() -> None:
    """The receipt names the source of the history."""
    assert prompt(source=ContextSource.DATABASE).source is ContextSource.DATABASE


def test_size_is_exact() -> None:
    """The prompt's size is every message's, with its format and what begins the answer."""
    built = prompt(("one two", "three"))
    assert built.input_tokens == 1 + 2 + 1 + 2 + 4 * TOKENS_PER_MESSAGE + TOKENS_TO_ANSWER


def test_brevity_is_asked_for_last() -> None:
    """The wish for a short answer stands after the question, and counts."""
    brief = brief_message(count=COUNT)
    built = prompt(brief=brief)
    assert texts(built) == ["Answer.", "Why so?", BRIEF]
    assert built.input_tokens == prompt().input_tokens + brief.tokens + TOKENS_PER_MESSAGE


def test_report_stands_between_its_tags() -> None:
    """Everything of the report, and nothing else, is inside the report tags."""
    system = system_message(a_report(headline="H", summary="S", figures="F"), count=COUNT)
    instructions, _, rest = system.text.partition("\n<report>\n")
    assert "instruction" in instructions
    assert rest == "# H\n\nS\n\nF\n</report>"


def test_empty_parts_of_a_report_are_left_out() -> None:
    """A report without figures leaves no gap."""
    system = system_message(a_report(headline="H", summary="S", figures=""), count=COUNT)
    assert system.text.endswith("<report>\n# H\n\nS\n</report>")


def test_no_report_no_tags() -> None:
    """Without a report nothing is said of one."""
    assert "report" not in system_message(None, count=COUNT).text


def test_system_message_knows_its_size() -> None:
    """The instructions are counted once, with the report."""
    system = system_message(a_report(), count=COUNT)
    assert (system.role, system.tokens) == (Role.SYSTEM, COUNT(system.text))
