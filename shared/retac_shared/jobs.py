"""What a node tells of a job, and the table of the states it can go through.  Never knows how a job is run."""

from dataclasses import dataclass
from typing import Literal

from retac_shared.order import Goal

State = Literal["queued", "running", "done", "failed", "cancelled"]

MOVES: dict[State, tuple[State, ...]] = {
    "queued": ("running", "cancelled"),
    "running": ("queued", "done", "failed", "cancelled"),  # queued: it gave way, or the node was started again
    "done": ("queued",),  # asked for again after its files were evicted
    "failed": ("queued",),
    "cancelled": ("queued",),
}
ENDED: tuple[State, ...] = ("done", "failed", "cancelled")


@dataclass(frozen=True)
class Part:
    """A file that a job has made so far."""

    name: str  # "motion.npz", "mesh.npz", "speech.wav", "preview/000032.jpg", "frames/000032.png", "video.mp4" ...
    sha256: str
    size: int  # bytes


@dataclass(frozen=True)
class JobStatus:
    job: str  # 32 hexadecimal digits, chosen by the client
    label: str  # the client's own words
    owner: str  # name of the client's key; "local" without keys
    goal: Goal
    state: State
    priority: int  # higher runs first
    change: int  # grows with every change of this job
    created: float  # seconds since 1970, by the node's clock
    stage: str = ""  # that runs now
    doing: str = ""  # what the stage is at, in words
    fraction: float = 0.0  # of the job, [0, 1], never falls while it runs
    ahead: int = 0  # jobs that run before this one, while it is queued
    seconds: float = 0.0  # that it has run
    parts: int = 0  # how many files it has made
    warnings: tuple[str, ...] = ()
    error: str = ""  # one sentence: what, where and what to do


class IllegalMove(ValueError):
    """The job is in a state from which the asked one cannot be reached."""


def check_move(now: State, then: State) -> None:
    if then not in MOVES[now]:
        raise IllegalMove(f"the job is {now}, so it cannot become {then}")
