"""Origins of pages that are none of ours, however much they look like it."""

# Letters that look the same, and digits that are as wide as a character of Chinese.
CYRILLIC = str.maketrans("ae01", "\u0430\u0435\u043e\u0456")
WIDE = str.maketrans("0123456789", "\uff10\uff11\uff12\uff13\uff14\uff15\uff16\uff17\uff18\uff19")


def origins(host: str) -> dict[str, str]:
    """Return by name what a page sends that was not loaded from `host`, a name with a port."""
    name, _, port = host.partition(":")
    evil = "evil.example"
    return {
        "none, as of a file": "null",
        "empty": "",
        "a star": "*",
        "another site": f"http://{evil}",
        "another site at that port": f"http://{evil}:{port}",
        "ours at its start": f"http://{host}.{evil}",
        "our name at its start": f"http://{name}.{evil}:{port}",
        "ours at its end": f"http://evil{host}",
        "a sub-domain": f"http://www.{host}",
        "no port": f"http://{name}",
        "an empty port": f"http://{name}:",
        "another port": f"http://{name}:1{port}",
        "a port with a zero before it": f"http://{name}:0{port}",
        "FTP": f"ftp://{host}",
        "a file": f"file://{host}",
        "an extension": f"chrome-extension://{host}",
        "a WebSocket": f"ws://{host}",
        "the scheme in capitals": f"HTTP://{host}",
        "no scheme": host,
        "only slashes": f"//{host}",
        "a script": f"javascript://{host}",
        "backslashes": f"http:\\\\{host}",
        "three slashes": f"http:///{host}",
        "Cyrillic letters": f"http://{name.translate(CYRILLIC)}:{port}",
        "Punycode": f"http://xn--cht-5cd.example:{port}",
        "full-width digits": f"http://{name}:{port.translate(WIDE)}",
        "ours as a user": f"http://{host}@{evil}",
        "a user at ours": f"http://{evil}@{host}",
        "a password": f"http://user:password@{host}",
        "a dot at the end": f"http://{name}.:{port}",
        "two, ours first": f"http://{host}, http://{evil}",
        "two, ours last": f"http://{evil},http://{host}",
        "two with a space": f"http://{host} http://{evil}",
        "a tab inside": f"http://\t{host}",
        "a slash at the end": f"http://{host}/",
        "a path": f"http://{host}/chat",
        "a query": f"http://{host}?x",
        "a fragment": f"http://{host}#x",
        "escapes": f"http://{name}%3A{port}",
        "quotes": f'"http://{host}"',
        "the address as one number": f"http://2130706433:{port}",
        "the address in IPv6": f"http://[::1]:{port}",
    }
