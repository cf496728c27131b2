"""What a running batch tells, and how it is shown as lines; with --json each event is a line of JSON.  Never decides."""

from dataclasses import dataclass
from typing import Any

from retac_node.errors import RetacError
from retac_node.progress import listed, say


@dataclass(frozen=True)
class Faulty:
    """A row that cannot run."""

    row: int
    line: int  # of the shots file
    name: str
    faults: tuple[str, ...]


@dataclass(frozen=True)
class Validated:
    """All rows were looked at; nothing has been started yet."""

    rows: int
    faulty: int
    finished: int  # by an earlier run, with --resume


@dataclass(frozen=True)
class Begun:
    row: int
    name: str
    worker: str
    attempt: int


@dataclass(frozen=True)
class Stepped:
    row: int
    stage: str
    label: str
    fraction: float  # of the shot, [0, 1]


@dataclass(frozen=True)
class Retried:
    """An attempt went wrong in a way that another worker may be spared."""

    row: int
    name: str
    reason: str
    attempt: int


@dataclass(frozen=True)
class Ended:
    row: int
    name: str
    state: str  # "done" or "failed"
    error: str
    seconds: float
    ended: int  # rows so far
    rows: int


Told = Faulty | Validated | Begun | Stepped | Retried | Ended


class BatchLines:
    """A line for each fault and for each shot that ended."""

    def event(self, event: Any) -> None:
        if isinstance(event, Faulty):
            for fault in event.faults:
                line(f"row {event.row} (line {event.line}, {event.name}): {fault}")
        elif isinstance(event, Validated):
            earlier = f", {event.finished} finished earlier" if event.finished else ""
            line(f"{event.rows} rows validated: {event.faulty} cannot run{earlier}")
        elif isinstance(event, Retried):
            line(f"row {event.row}, attempt {event.attempt} went wrong, to be tried again: {event.reason}")
        elif isinstance(event, Ended):
            why = f": {event.error}" if event.error else ""
            line(
                f"{event.ended:5}/{event.rows}  row {event.row} {event.state}, {event.name}, {event.seconds:.1f} s{why}"
            )

    def done(self, made: Any, seconds: float) -> None:
        for text in (f"{seconds:.1f} s in all", *listed(made)):
            line(text)

    def failed(self, error: RetacError) -> None:
        say(error)


def line(text: str) -> None:
    print(text, flush=True)
