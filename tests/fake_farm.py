"""Stages for tests of a farm's workers: they die, fail, or hear nothing, and leave word of it beside the cache.

Each reads nothing.  FARM is the table by which workers find them.
"""

import os
import signal
import time
from dataclasses import dataclass
from pathlib import Path

from retac_node.engine.run import Job
from retac_node.engine.stage import Context, Stage
from retac_node.errors import BadInput
from tests.fake_stages import DUB, Numbers, Options, numbers, stage


@dataclass(frozen=True)
class Asked:
    name: str
    deaths: int = 0


def root(ctx: Context) -> Path:
    return ctx.source("root")


def word(ctx: Context) -> int:
    """Leaves word of this run; gives how many there are now."""
    with open(root(ctx) / "runs", "a") as file:
        file.write(f"{os.getpid()}\n")
    return len((root(ctx) / "runs").read_text().split())


def dies(ctx: Context, options: Asked) -> Numbers:
    """Kills its own process at its first runs; counts on in a checkpoint."""
    ctx.warn("it is dark")
    runs, checkpoint = word(ctx), ctx.folder / "step"
    step = int(checkpoint.read_text()) if checkpoint.exists() else 0
    checkpoint.write_text(str(step + 1))
    if runs <= options.deaths:
        os.kill(os.getpid(), signal.SIGKILL)
    return numbers(step + 1)


def fails(ctx: Context, options: Options) -> Numbers:
    raise BadInput("no face in frames 3-8; trim them")


def errs(ctx: Context, options: Options) -> Numbers:
    word(ctx)
    raise KeyError("a mistake of ours")


def deaf(ctx: Context, options: Options) -> Numbers:
    word(ctx)
    time.sleep(600)  # a library call that knows of no cancelling
    return numbers(0)


FARM = DUB | {run.__name__: stage(run.__name__, run) for run in (fails, errs, deaf)}
FARM["dies"] = Stage("dies", 1, dies, Asked, Numbers)


def job(name: str, folder: Path, options: object = Options()) -> Job:
    return Job(FARM, (name,), {name: options}, sources={"root": folder})
