"""The section of docs/operations.md that the rehearsal writes."""

from pathlib import Path

FILE = Path(__file__).parents[2] / "docs" / "operations.md"
BEGIN = "<!-- From here to the end of the rehearsal: made by `python -m tests.rehearsal`. -->\n"
END = "<!-- End of the rehearsal. -->\n"


def read() -> str:
    """Return the section."""
    text = FILE.read_text(encoding="utf-8")
    return text.partition(BEGIN)[2].partition(END)[0]


def write(section: str) -> None:
    """Put `section` where the last one was."""
    text = FILE.read_text(encoding="utf-8")
    head, begin, rest = text.partition(BEGIN)
    _, end, tail = rest.partition(END)
    assert begin, "docs/operations.md has no place for the rehearsal"
    assert end, "docs/operations.md has no place for the rehearsal"
    FILE.write_text(f"{head}{begin}{section}{end}{tail}", encoding="utf-8")
