"""The figures as a table, for a terminal or a document."""

from collections.abc import Iterable

from tests.bench.figure import Figure

COLUMNS = ("", "floor", "usual loop", "gateway", "x floor", "usual ÷", "promised")


def rows(figures: Iterable[Figure]) -> list[tuple[str, ...]]:
    """Return the cells, with a head."""
    return [COLUMNS, *(_cells(figure) for figure in figures)]


def aligned(table: list[tuple[str, ...]]) -> str:
    """Return a table for a terminal."""
    widths = [max(map(len, column)) for column in zip(*table, strict=True)]
    lines = (
        "  ".join(
            cell.rjust(width) if 0 < n < len(row) - 1 else cell.ljust(width)
            for n, (cell, width) in enumerate(zip(row, widths, strict=True))
        )
        for row in table
    )
    return "\n".join(line.rstrip() for line in lines)


def _cells(figure: Figure) -> tuple[str, ...]:
    return (
        f"{figure.name} ({figure.unit})" if figure.unit else figure.name,
        *(_number(value) for value in (figure.floor, figure.usual, figure.gateway)),
        _ratio(figure.gateway, figure.floor),
        _ratio(figure.usual, figure.gateway),
        ", ".join(
            f"{promise.text}: {'ok' if promise.kept else 'over'}"
            for promise in figure.promises
            if promise.kept is not None
        ),
    )


def _number(value: float | None) -> str:
    if value is None:
        return ""
    return f"{value:,.0f}" if value >= 100 else f"{value:.1f}"


def _ratio(value: float | None, other: float | None) -> str:
    return f"{value / other:.2f}" if value is not None and other else ""
