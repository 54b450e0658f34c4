"""The values that cross the ports know a little of themselves."""

from gateway.chat.records import History
from tests.builders import an_exchange


def test_history_without_a_turn() -> None:
    """A history can be had as if one of its turns had not been; its number stays."""
    first, second = an_exchange(), an_exchange()
    history = History(last_turn=2, exchanges=(first, second))
    assert history.without(first.turn_id) == History(last_turn=2, exchanges=(second,))


def test_history_without_nothing() -> None:
    """A history without no turn is the history."""
    history = History(last_turn=1, exchanges=(an_exchange(),))
    assert history.without(None) == history
