"""Usage becomes money exactly, in integer nano-dollars."""

from decimal import Decimal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.chat.pricing import ModelFacts, Price, PriceTable, nano, usd
from gateway.chat.records import Usage

PRICE = Price(input_nano=150, cached_input_nano=75, output_nano=600)
MINI = ModelFacts(
    input_usd_per_mtok=Decimal("0.15"),
    cached_input_usd_per_mtok=Decimal("0.075"),
    output_usd_per_mtok=Decimal("0.6"),
)
OLD = ModelFacts(input_usd_per_mtok=Decimal(30), output_usd_per_mtok=Decimal(60))
TABLE = PriceTable(as_of="2026-11", models={"mini": MINI, "old": OLD, "sim-*": MINI})


def test_cost_is_exact() -> None:
    """Fresh input, cached input and output each cost their price."""
    usage = Usage(input_tokens=1000, cached_tokens=400, output_tokens=50, reasoning_tokens=20)
    assert PRICE.cost(usage) == 600 * 150 + 400 * 75 + 50 * 600


def test_nothing_used_costs_nothing() -> None:
    """No tokens, no cost."""
    assert PRICE.cost(Usage()) == 0


def test_price_of_a_token_is_a_thousandth_of_a_millionth() -> None:
    """Dollars for a million tokens are thousands of nano-dollars for one."""
    assert MINI.price == PRICE


def test_no_cached_price_is_the_full_price() -> None:
    """A model without a price for cached input charges it as input."""
    assert OLD.price.cached_input_nano == OLD.price.input_nano == 30_000


def test_price_is_rounded_up() -> None:
    """A price below a nano-dollar is a whole one, so that no cap is passed by rounding."""
    tiny = ModelFacts(input_usd_per_mtok=Decimal("0.0001"), output_usd_per_mtok=Decimal("0.0011"))
    assert (tiny.price.input_nano, tiny.price.output_nano) == (1, 2)


def test_dearer_is_below_neither() -> None:
    """The dearer of two prices is the higher one of each kind."""
    other = Price(input_nano=100, cached_input_nano=100, output_nano=700)
    assert PRICE.dearer(other) == Price(input_nano=150, cached_input_nano=100, output_nano=700)


@pytest.mark.parametrize(
    ("model", "facts"),
    [
        ("mini", MINI),
        ("mini-2024-08-06", MINI),
        ("old-0613", OLD),
        ("sim-stall", MINI),
        ("sim-anything-else", MINI),
        ("mini-large", None),
        ("mini-20240806", None),
        ("simulated", None),
        ("", None),
    ],
)
def test_model_is_found_by_name_or_family(model: str, facts: ModelFacts | None) -> None:
    """A dated name is of its family, `sim-` has one price, and nothing else is guessed."""
    assert TABLE.find(model) == facts


def test_dated_model_with_a_price_of_its_own() -> None:
    """A dated name that is in the table has its own price."""
    table = PriceTable(as_of="2026-11", models={"mini": MINI, "mini-2024-08-06": OLD})
    assert table.find("mini-2024-08-06") == OLD


@pytest.mark.parametrize(
    ("amount", "text"),
    [
        (0, "0.00"),
        (1, "0.000000001"),
        (1_000_000, "0.001"),
        (50_000_000, "0.05"),
        (100_000_000, "0.10"),
        (1_000_000_000, "1.00"),
        (12_345_678_900, "12.3456789"),
    ],
)
def test_dollars_have_cents_at_least(amount: int, text: str) -> None:
    """Dollars are told exactly, with two digits after the point or as many as it takes."""
    assert usd(amount) == text


@settings(deadline=None, derandomize=True, database=None)
@given(st.integers(min_value=0, max_value=10**18))
def test_dollars_and_nano_dollars_are_the_same_money(amount: int) -> None:
    """No nano-dollar is lost between an amount and its text."""
    assert nano(Decimal(usd(amount))) == amount


def test_configured_dollars_are_exact() -> None:
    """A cap in dollars is so many nano-dollars."""
    assert nano(Decimal("0.05")) == 50_000_000
