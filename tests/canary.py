"""Phrases that nobody writes by chance: where one stands in a log, something that people wrote leaked."""

import json
from pathlib import Path

# In every phrase; a log that cut one short would still hold it.
STEM = "Canary4F1C"
QUESTION = f"{STEM}question"
HEADLINE = f"{STEM}headline"
SUMMARY = f"{STEM}summary"
KEY = f"sk-{STEM}key"
TOKEN = f"{STEM}token"
DATABASE_PASSWORD = f"{STEM}postgres"
REDIS_PASSWORD = f"{STEM}redis"
UPSTREAM = f"{STEM}upstream"
# Once more in Korean, which JSON and bytes spell otherwise.
KOREAN = "카나리아사일"
SPELLINGS = (
    STEM.casefold(),
    KOREAN,
    json.dumps(KOREAN).strip('"'),
    ascii(KOREAN.encode()).removeprefix("b").strip("'"),
)


def hits(text: str, *more: str) -> list[str]:
    """Return the lines of `text` with a canary in them, or with one of `more`."""
    wanted = [word.casefold() for word in (*SPELLINGS, *more)]
    return [line for line in text.splitlines() if any(w in line.casefold() for w in wanted)]


def hits_in(*files: Path) -> list[str]:
    """Return the lines of `files` with a canary in them."""
    return [line for file in files for line in hits(file.read_text(errors="replace"))]
