"""How long a test waits: for what is promised in seconds, and for what is promised at all."""

import os

# Only ever a guard against waiting for ever; nothing is timed by it.
GUARD_SECONDS = 60.0
# `make stress` has the machine for itself and holds to every promise as it is written. Where several
# suites share two processors, being late says something about them.
_ALLOWANCE = 1 if os.environ.get("ALONE") == "true" else 10


def promised(bound: float) -> float:
    """Return how long to wait for what is promised within `bound`, in the unit of `bound`."""
    return bound * _ALLOWANCE
