"""The story of a turn. No I/O: time, tokens and storage come in through the Protocols of `ports`."""
