"""The rules know what an answer of either model costs."""

from gateway.chat.pricing import Price
from tests.builders import rules

PRICE = Price(input_nano=1, cached_input_nano=1, output_nano=4)
OTHER = Price(input_nano=2, cached_input_nano=1, output_nano=3)


def test_without_a_fallback_there_is_one_price() -> None:
    """Without a fallback the worst price is the price."""
    held = rules(price=PRICE)
    assert (held.worst_price, held.price_of("anything")) == (PRICE, PRICE)


def test_each_model_has_its_price() -> None:
    """An answer costs what the model that gave it costs."""
    held = rules(model="m", price=PRICE, fallback_model="f", fallback_price=OTHER)
    assert (held.price_of("m"), held.price_of("f")) == (PRICE, OTHER)


def test_worst_price_is_below_neither() -> None:
    """Before it is known which model answers, the dearer of each price counts."""
    held = rules(model="m", price=PRICE, fallback_model="f", fallback_price=OTHER)
    assert held.worst_price == Price(input_nano=2, cached_input_nano=1, output_nano=4)
