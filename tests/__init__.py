"""The gateway's tests; `fakes` stands in for the outside world, `builders` makes the usual values."""
