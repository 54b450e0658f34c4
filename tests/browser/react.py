"""The React of the npm registry as one ES module."""

import json

from tests.browser.libraries import source

# React comes as CommonJS only: each file becomes a function, called when another requires it.
FILES = {
    "react": "react/cjs/react.development.js",
    "scheduler": "scheduler/cjs/scheduler.development.js",
    "react-dom": "react-dom/cjs/react-dom.development.js",
    "react-dom/client": "react-dom/cjs/react-dom-client.development.js",
}
REQUIRE = """
const made = {};
function require(name) {
    if (!made[name]) {
        const module = made[name] = { exports: {} };
        files[name](module, module.exports, require, { env: { NODE_ENV: 'development' } });
    }
    return made[name].exports;
}
export const React = require('react');
export const { createRoot } = require('react-dom/client');
"""


def bundle() -> str:
    """Return React as one module."""
    functions = ",\n".join(
        f"{json.dumps(name)}: function (module, exports, require, process) {{ {source(path)} }}"
        for name, path in FILES.items()
    )
    return f"const files = {{ {functions} }};\n{REQUIRE}"
