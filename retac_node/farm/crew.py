"""The workers that there are: kept from task to task with their models, each for tasks that need the same of a host.

Never knows what a worker is or does: it is hired and fired by two functions.
"""

import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from typing import Any

from retac_node.errors import BadInput

POLL = 0.1  # seconds between two looks for a free worker
IDLE = 10.0  # seconds after which a worker without a task gives its place on its host to others


@dataclass(frozen=True)
class Needs:
    """What a worker takes of a host."""

    CPU: float
    GPU: float
    memory: float  # bytes


@dataclass(eq=False)
class Hand:
    needs: Needs
    actor: Any
    free: bool = False
    since: float = 0.0  # time.monotonic() when it became free


class Crew:
    """Keeps workers over tasks and jobs, each for tasks of the same needs; safe from many threads."""

    def __init__(
        self, hire: Callable[[Needs], Any], fire: Callable[[Any], None], total: Callable[[], Mapping[str, float]]
    ) -> None:
        self.hire, self.fire, self.total = hire, fire, total
        self.hands: list[Hand] = []
        self.changed = threading.Condition()
        self.closed = threading.Event()

    @contextmanager
    def hand(self, needs: Needs, tick: Callable[[], None]) -> Iterator[Any]:
        """Gives a worker to one task; calls `tick` while it waits.  Ends the worker when the task ends with an error."""
        with self.changed:
            while (hand := self.find(needs)) is None:
                self.changed.wait(POLL)
                tick()
            hand.free = False
        try:
            yield hand.actor
        except BaseException:
            with self.changed:
                self.dismiss(hand)
            raise
        with self.changed:
            hand.free, hand.since = True, time.monotonic()
            self.changed.notify()

    def find(self, needs: Needs) -> Hand | None:
        """Gives a free worker of that kind, or a new one where others that are free can make room for it."""
        free = [hand for hand in self.hands if hand.free]
        for hand in free:
            if hand.needs == needs:
                return hand
        while not self.fits(needs):
            if not free:
                return None
            self.dismiss(free.pop(0))
        self.hands.append(Hand(needs, self.hire(needs)))
        return self.hands[-1]

    def fits(self, needs: Needs) -> bool:
        """Tells whether the hosts hold one more.  Raises BadInput where they never will."""
        total = self.total()
        for name, amount in asdict(needs).items():
            if amount > total.get(name, 0.0):
                raise BadInput(
                    f"the Ray cluster has {total.get(name, 0.0):g} of {name} and a task needs {amount:g}; add a host"
                )
            if amount + sum(getattr(hand.needs, name) for hand in self.hands) > total.get(name, 0.0):
                return False
        return True

    def dismiss(self, hand: Hand) -> None:
        """Kills a worker, whatever it is at."""
        if hand in self.hands:
            self.hands.remove(hand)
            self.fire(hand.actor)
            self.changed.notify()

    def tidy(self) -> None:
        """Ends workers that are idle, until the crew is closed; runs in a thread of its own."""
        while not self.closed.wait(1.0):
            with self.changed:
                for hand in list(self.hands):
                    if hand.free and time.monotonic() - hand.since > IDLE:
                        self.dismiss(hand)

    def close(self) -> None:
        self.closed.set()
        with self.changed:
            for hand in list(self.hands):
                self.dismiss(hand)
