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


def markdown(table: list[tuple[str, ...]]) -> str:
    """Return a table for a document."""
    head, *body = ("| " + " | ".join(row) + " |" for row in table)
    columns = len(table[0])
    rule = "|" + "|".join("---" if n in (0, columns - 1) else "---:" for n in range(columns)) + "|"
    return "\n".join((head, rule, *body))


def _cells(figure: Figure) -> tuple[str, ...]:
    return (
        f"{figure.name} ({figure.unit})" if figure.unit else figure.name,
        *(_number(value) for value in (figure.floor, figure.usual, figure.gateway)),
        _ratio(figure.gateway, figure.floor) if figure.ratios else "",
        _ratio(figure.usual, figure.gateway) if figure.ratios else "",
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
    if value is None or not other:
        return ""
    ratio = value / other
    return f"{ratio:.2f}" if ratio < 10 else f"{ratio:,.0f}"
