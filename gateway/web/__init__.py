"""The door: thin aiohttp handlers that translate between the wire and `gateway.chat`."""
