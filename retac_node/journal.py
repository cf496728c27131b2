"""The node's log: one line of JSON per event, on standard error.  Never a secret, and never the text of a line."""

import json
import sys
import time
from contextlib import suppress
from typing import Any

LONGEST = 4000  # characters of a value


def note(event: str, level: str = "info", **values: Any) -> None:
    """Writes one event; a log that cannot be written stops nothing."""
    shown = {name: value[:LONGEST] if isinstance(value, str) else value for name, value in values.items()}
    line = {"time": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()), "level": level, "event": event, **shown}
    with suppress(OSError, ValueError):
        print(json.dumps(line), file=sys.stderr, flush=True)
