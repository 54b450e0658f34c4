"""The gateway's tests: `fakes` for the world outside, `builders` for the usual values."""
