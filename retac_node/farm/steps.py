"""The steps in which a farm makes a dub, each a command of its own.  Never runs a stage.

A step asks for stages, so it makes whatever of them, and of all they rest on, is not in the cache: in the right order a
step finds its inputs made, and run again it finds its own.
"""

from dataclasses import dataclass

HOUR = 3600  # seconds


@dataclass(frozen=True)
class Step:
    name: str
    wanted: tuple[str, ...]  # stages
    after: tuple[str, ...] = ()  # steps
    seconds: int = HOUR  # after which the farm ends it
    shared: bool = False  # run as several tasks, each for a share of the frames


STEPS = (
    Step("voice", ("voice",)),
    Step("solve", ("track",), seconds=6 * HOUR),
    Step("adapt", ("adapt",), ("solve",), 24 * HOUR),
    Step("motion", ("motion",), ("voice", "adapt")),
    Step("frames", ("composite",), ("motion",), 12 * HOUR, shared=True),
    Step("finish", ("motion", "encode", "report"), ("frames",), 6 * HOUR),
)
NAMES = tuple(step.name for step in STEPS)


def find(name: str) -> Step:
    return next(step for step in STEPS if step.name == name)
