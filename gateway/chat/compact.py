"""Text as bytes while it grows: a string for each piece would weigh ten times what is in it."""

# What came as half a character in JSON goes on as that: it is the store that cannot have it.
HALVES = "surrogatepass"


def encoded(text: str) -> bytes:
    """Return the UTF-8 of `text`, whatever is in it."""
    return text.encode(errors=HALVES)


def decoded(data: bytes | bytearray) -> str:
    """Return the text of `encoded` data."""
    return data.decode(errors=HALVES)
