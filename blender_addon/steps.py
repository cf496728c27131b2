"""Work in steps that are short enough for the interface.  Knows nothing of what the work is."""

import time
from collections.abc import Callable, Generator
from functools import wraps
from typing import Any, ParamSpec, TypeVar

Made, Asked = TypeVar("Made"), ParamSpec("Asked")
Steps = Generator[float, None, Made]  # yields how much is done, [0, 1], every few milliseconds; returns what it made


class Stopped(Exception):
    """Is thrown into steps that are no more wanted: they may take back what they did, in steps as well."""


def finish(steps: Steps[Made]) -> Made:
    """Takes all steps at once."""
    while True:
        try:
            next(steps)
        except StopIteration as end:
            return end.value


def at_once(work: Callable[Asked, Steps[Made]]) -> Callable[Asked, Made]:
    """Gives the same work as one that takes all of its steps when it is called."""

    @wraps(work)
    def whole(*args: Asked.args, **kwargs: Asked.kwargs) -> Made:
        return finish(work(*args, **kwargs))

    return whole


def for_a_while(steps: Steps[Made], seconds: float) -> float:
    """Takes steps for about that long; gives how much is done.  Raises StopIteration where that was the last."""
    end = time.perf_counter() + seconds
    while True:
        share = next(steps)
        if time.perf_counter() > end:
            return share


def stopping(steps: Steps[Any]) -> Steps[None]:
    """Tells steps that they are no more wanted, and takes those in which they take back what they did."""
    try:
        yield steps.throw(Stopped())
        yield from steps
    except (Stopped, StopIteration):
        pass


def part(steps: Steps[Made], first: float, last: float) -> Steps[Made]:
    """Has the steps count for the share from first to last of a larger work."""
    while True:
        try:
            yield first + (last - first) * next(steps)
        except StopIteration as end:
            return end.value
