"""Faults are documented, chosen by model or armed, and remembered within bounds."""

import pytest

from gateway.dev.faults import Fault, FaultPicker, faults_table


def test_every_fault_is_documented() -> None:
    """The table for the documentation has every fault with its meaning."""
    assert all(fault.meaning for fault in Fault)
    assert all(f"| `{fault}` | {fault.meaning} |" in faults_table() for fault in Fault)


def test_other_models_are_faultless() -> None:
    """A model that names no fault meets none."""
    assert FaultPicker().pick("gpt-4o-mini", question="?") is None


def test_armed_before_model() -> None:
    """What is armed comes before what the model names, as often as it was armed."""
    picker = FaultPicker()
    assert picker.arm(Fault.QUOTA, times=2) == 2
    picked = [picker.pick("sim-500", question="?") for _ in range(3)]
    assert picked == [Fault.QUOTA, Fault.QUOTA, Fault.SERVER_ERROR]


def test_once_is_by_question() -> None:
    """Another question to the same model has its own first attempt."""
    picker = FaultPicker()
    once = Fault.SERVER_ERROR_ONCE
    assert [picker.pick(once, question=q) for q in "abab"] == [once, once, None, None]


def test_once_memory_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    """The oldest question that failed once is forgotten when there are too many."""
    monkeypatch.setattr("gateway.dev.faults.ONCE_LIMIT", 1)
    picker = FaultPicker()
    once = Fault.SERVER_ERROR_ONCE
    assert [picker.pick(once, question=q) for q in "aba"] == [once] * 3
