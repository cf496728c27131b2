"""Tells a farm how a step goes on, in the lines of Open Job Description on standard output.  Never decides anything.

openjd_progress: percent      openjd_status: what is being done      openjd_fail: why it ended
"""

from typing import Any

from retac_node.engine.events import Event, Finished, Progress, Warned
from retac_node.errors import RetacError
from retac_node.progress import Tally, listed


class FarmLines:
    def __init__(self) -> None:
        self.tally = Tally()
        self.percent, self.status = -1, ""
        self.begun = 1.0  # the part of the job, [0, 1], that was there when the step's own work began

    def event(self, event: Event) -> None:
        self.tally.count(event)
        if isinstance(event, Progress):
            self.begun = min(self.begun, event.overall)
            self.progress(int(100 * (event.overall - self.begun) / max(1.0 - self.begun, 1e-9)))
            self.state(f"{event.stage}: {event.label}" if event.label else event.stage)
        elif isinstance(event, Warned):
            say(f"warning: {event.sentence}")
        elif isinstance(event, Finished):
            span = f" {event.frames[0]}-{event.frames[1] - 1}" if event.frames else ""
            say(f"had {event.stage}{span}" if event.cached else f"made {event.stage}{span} in {event.seconds:.1f} s")

    def done(self, made: Any, seconds: float) -> None:
        self.progress(100)
        for text in (*self.tally.table(), f"{seconds:.1f} s in all", *listed(made)):
            say(text)

    def failed(self, error: RetacError) -> None:
        say(f"openjd_fail: {error}")

    def progress(self, percent: int) -> None:
        if percent != self.percent:
            self.percent = percent
            say(f"openjd_progress: {percent}")

    def state(self, status: str) -> None:
        if status != self.status:
            self.status = status
            say(f"openjd_status: {status}")


def say(text: str) -> None:
    """Prints one line; what is in a sentence cannot begin another."""
    print(" ".join(text.splitlines()), flush=True)
