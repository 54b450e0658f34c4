"""A model has a price: the built-in one, or the operator's; without one it is not asked."""

from pathlib import Path

import pytest

from gateway.chat.errors import ConfigError
from gateway.config import facts_of, load, price_table
from gateway.settings import Settings

MODEL = "[model local]\ninput_usd_per_mtok = 1\noutput_usd_per_mtok = 2\n"


def settings(folder: Path, text: str) -> Settings:
    """Return what is read from a gateway.ini."""
    file = folder / "some.ini"
    file.write_text(text, encoding="utf-8")
    return load(file, environ={})


def test_model_section(tmp_path: Path) -> None:
    """A [model NAME] section gives price and encoding of a model we do not know."""
    facts = facts_of("local", settings(tmp_path, f"{MODEL}encoding = cl100k_base\n"))

    assert (facts.price.input_nano, facts.price.output_nano) == (1000, 2000)
    assert facts.encoding == "cl100k_base"


def test_model_section_outranks_table(tmp_path: Path) -> None:
    """A [model NAME] section outranks the built-in price."""
    known = settings(tmp_path, MODEL.replace("local", "gpt-4o-mini"))

    assert facts_of("gpt-4o-mini", known).price.input_nano == 1000


def test_model_that_reasons(tmp_path: Path) -> None:
    """A [model NAME] section says that a model reasons."""
    assert facts_of("local", settings(tmp_path, f"{MODEL}reasons = yes\n")).price.reasons


@pytest.mark.parametrize(("model", "reasons"), [("o3", True), ("gpt-5", True), ("gpt-4o", False)])
def test_who_reasons(model: str, reasons: bool) -> None:
    """The built-in table knows which models reason."""
    assert price_table().models[model].price.reasons is reasons


def test_price_of_default_model() -> None:
    """The default model has a built-in price."""
    assert facts_of(Settings().openai.model, Settings()) == price_table().models["gpt-4o-mini"]


def test_unpriced_model() -> None:
    """A model without a price is refused, with the way to give it one."""
    with pytest.raises(ConfigError) as caught:
        facts_of("local", Settings())

    assert str(caught.value) == (
        "[openai] model: no price for 'local'; add a section [model local] with"
        " input_usd_per_mtok and output_usd_per_mtok"
    )
