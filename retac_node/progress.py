"""Shows a running job: a bar on a terminal, plain lines elsewhere, JSON lines for programs.  Never decides anything."""

import dataclasses
import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Protocol

from retac_node.engine.events import Event, Finished, Progress, Warned
from retac_node.errors import RetacError


class Show(Protocol):
    def event(self, event: Event) -> None: ...

    def done(self, made: Any, seconds: float) -> None:
        """Tells the files of a frozen dataclass `made`, and how long all took."""

    def failed(self, error: RetacError) -> None: ...


def choose(as_json: bool) -> Show:
    if as_json:
        return JsonLines()
    return Bar() if sys.stderr.isatty() else Lines()


class JsonLines:
    """One JSON object a line on standard output, and nothing else there."""

    def event(self, event: Event) -> None:
        self.line({"event": type(event).__name__.lower(), **dataclasses.asdict(event)})

    def done(self, made: Any, seconds: float) -> None:
        self.line({"event": "done", **{name: str(path) for name, path in files(made)}, "seconds": round(seconds, 2)})

    def failed(self, error: RetacError) -> None:
        say(error)
        self.line({"event": "error", "message": str(error), "exit": error.exit_code})

    def line(self, values: dict[str, Any]) -> None:
        print(json.dumps(values), flush=True)


class Lines:
    """A line for each step, and at the end what ran."""

    def __init__(self) -> None:
        self.tally = Tally()
        self.told: set[str] = set()  # steps; several may be under way at once

    def event(self, event: Event) -> None:
        self.tally.count(event)
        if isinstance(event, Warned):
            self.line(f"warning: {event.sentence}")
        if isinstance(event, Progress) and (step := f"{event.stage}: {event.label}") not in self.told:
            self.told.add(step)
            self.line(f"{event.overall:4.0%}  {step}")

    def done(self, made: Any, seconds: float) -> None:
        for text in (*self.tally.table(), f"{seconds:.1f} s in all", *listed(made)):
            self.line(text)

    def failed(self, error: RetacError) -> None:
        say(error)

    def line(self, text: str) -> None:
        print(text, flush=True)


class Bar:
    """One bar for the whole job on standard error; warnings on their own lines above it."""

    def __init__(self) -> None:
        self.tally = Tally()
        self.bar: Any = None  # from the first event on

    def event(self, event: Event) -> None:
        from tqdm import tqdm

        self.tally.count(event)
        if self.bar is None:
            self.bar = tqdm(total=1.0, bar_format="{percentage:3.0f}% |{bar:30}| {elapsed}  {desc}", file=sys.stderr)
        if isinstance(event, Warned):
            tqdm.write(f"warning: {event.sentence}", file=sys.stderr)
        if isinstance(event, Progress):
            self.bar.n = event.overall
            self.bar.set_description_str(f"{event.stage}: {event.label}")

    def done(self, made: Any, seconds: float) -> None:
        self.close()
        for text in (*self.tally.table(), f"{seconds:.1f} s in all", *listed(made)):
            print(text)

    def failed(self, error: RetacError) -> None:
        self.close()
        say(error)

    def close(self) -> None:
        if self.bar is not None:
            self.bar.leave = False
            self.bar.close()


class Tally:
    """Counts, stage by stage, what ran and what came from the cache."""

    def __init__(self) -> None:
        self.rows: dict[str, list[float]] = {}  # stage -> tasks that ran, tasks from the cache, seconds

    def count(self, event: Event) -> None:
        if isinstance(event, Finished):
            row = self.rows.setdefault(event.stage, [0, 0, 0.0])
            row[event.cached] += 1
            row[2] += event.seconds

    def table(self) -> Iterator[str]:
        if not self.rows:  # it ran elsewhere
            return
        yield f"{'stage':10} {'tasks':>6} {'run':>6} {'from cache':>11} {'seconds':>8}"
        for stage, (ran, cached, seconds) in self.rows.items():
            yield f"{stage:10} {ran + cached:6.0f} {ran:6.0f} {cached:11.0f} {seconds:8.1f}"


def files(made: Any) -> Iterator[tuple[str, Path]]:
    """Gives name and path of each file or folder that was made."""
    for field in dataclasses.fields(made):
        if (path := getattr(made, field.name)) is not None:
            yield field.name, path


def listed(made: Any) -> Iterator[str]:
    return (f"{name:10} {path}" for name, path in files(made))


def say(error: RetacError) -> None:
    print(f"retac: {error}", file=sys.stderr, flush=True)
