"""What a command does on Ctrl-C, or on a request to end, in place of being torn out of whatever it is at."""

import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from threading import current_thread, main_thread


@contextmanager
def on_stop(action: Callable[[], None]) -> Iterator[None]:
    """Has Ctrl-C, and a request to end, do this in place of what they did; they come to the main thread alone."""
    if current_thread() is not main_thread():
        yield
        return
    before = {number: signal.signal(number, lambda *_: action()) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
