"""Work in steps that are short enough for the interface.  Knows nothing of what the work is."""

import time
from collections.abc import Generator
from typing import TypeVar

Made = TypeVar("Made")
Steps = Generator[float, None, Made]  # yields how much is done, [0, 1], every few milliseconds; returns what it made


def finish(steps: Steps[Made]) -> Made:
    """Takes all steps at once."""
    while True:
        try:
            next(steps)
        except StopIteration as end:
            return end.value


def for_a_while(steps: Steps[Made], seconds: float) -> float:
    """Takes steps for about that long; gives how much is done.  Raises StopIteration where that was the last."""
    end = time.perf_counter() + seconds
    while True:
        share = next(steps)
        if time.perf_counter() > end:
            return share


def part(steps: Steps[Made], first: float, last: float) -> Steps[Made]:
    """Has the steps count for the share from first to last of a larger work."""
    while True:
        try:
            yield first + (last - first) * next(steps)
        except StopIteration as end:
            return end.value
