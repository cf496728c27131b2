"""Stages of a few lines in the shape of the real ones, for tests of the engine; started as child processes as well."""

import dataclasses
import os
import signal
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from retac_node.engine.cache import Cache
from retac_node.engine.events import Event, Started
from retac_node.engine.plan import Task, plan
from retac_node.engine.run import Job, Length, run
from retac_node.engine.stage import Context, Stage

FRAMES = 20


@dataclass(frozen=True)
class Options:
    add: float = 0.0


@dataclass(frozen=True)
class Numbers:
    data: NDArray[np.float64]  # (n,)


def numbers(*values: Any) -> Numbers:
    return Numbers(np.concatenate([np.atleast_1d(value) for value in values]).astype(np.float64))


def first(ctx: Context, options: Options) -> Numbers:
    ctx.warn("it is dark")
    return numbers(np.arange(FRAMES) + options.add)


def total(ctx: Context, options: Options, *inputs: Numbers) -> Numbers:
    return numbers(np.arange(FRAMES) * sum(item.data.sum() for item in inputs) + options.add)


def frames(ctx: Context, options: Options, span: tuple[int, int], *inputs: Numbers) -> Numbers:
    wholes = [item.data[slice(*span)] if len(item.data) == FRAMES else item.data for item in inputs]
    return numbers([sum(parts) + options.add for parts in zip(*wholes, strict=True)])


def encode(ctx: Context, options: Options, ingest: Numbers, voice: Numbers, motion: Numbers, chunks: Any) -> Numbers:
    (ctx.folder / "out.mp4").write_text("video")
    return numbers(*(chunk.data + options.add for chunk in chunks))


def stage(
    name: str, run: Callable[..., Any], *inputs: str, chunked: bool = False, weights: tuple[str, ...] = ()
) -> Stage:
    return Stage(name, 1, run, Options, Numbers, inputs, weights, chunked)


DUB = {
    row.name: row
    for row in (
        stage("ingest", first),
        stage("track", total, "ingest", weights=("landmarks",)),
        stage("voice", total, "ingest"),
        stage("adapt", total, "ingest", "track"),
        stage("motion", total, "voice", "track", "adapt"),
        stage("render", frames, "ingest", "track", "adapt", "motion", chunked=True),
        stage("refine", frames, "ingest", "track", "adapt", "motion", "render", chunked=True, weights=("refiner",)),
        stage("composite", frames, "ingest", "track", "motion", "refine", chunked=True),
        stage("encode", encode, "ingest", "voice", "motion", "composite"),
        stage("report", total, "ingest", "track", "voice", "encode"),
    )
}
JOB = Job(
    DUB, ("encode", "report"), dict.fromkeys(DUB, Options()), Length("motion", lambda motion: len(motion.data)), 7,
    {"landmarks": "11", "refiner": "22"},
)  # fmt: skip
CHUNKS = 3  # 20 frames by 7
ALL = [name for name in DUB for _ in range(CHUNKS if DUB[name].chunked else 1)]


def replace(job: Job, name: str, run: Callable[..., Any]) -> Job:
    return dataclasses.replace(job, stages={**job.stages, name: dataclasses.replace(job.stages[name], run=run)})


def nudge(job: Job, name: str) -> Job:
    return dataclasses.replace(job, options={**job.options, name: Options(add=1.0)})


def go(root: Path, job: Job = JOB, limit: int = 10**9) -> tuple[dict[str, Any], list[Event]]:
    events: list[Event] = []
    results = run(job, Cache(root, limit), events.append, threading.Event())
    return results, events


def ran(events: list[Event]) -> list[str]:
    return [event.stage for event in events if isinstance(event, Started)]


def planned(length: int | None, hashes: Mapping[str, str] = JOB.weight_hashes, chunk: int = 7) -> tuple[Task, ...]:
    return plan(DUB, ("report",), JOB.options, hashes, length, chunk)


# ---- stages that last


def training(ctx: Context, options: Options) -> Numbers:
    """Counts to 10 in a checkpoint; at 5 the process is killed, the first time."""
    checkpoint = ctx.folder / "step"
    step = begun = int(checkpoint.read_text()) if checkpoint.exists() else 0
    while step < 10:
        if step == 5 and begun == 0:
            os.kill(os.getpid(), signal.SIGKILL)
        step += 1
        checkpoint.write_text(str(step))
    return numbers(begun, step)


def slow(ctx: Context, options: Options) -> Numbers:
    with open(ctx.folder.parents[2] / "calls", "a") as file:
        file.write("call\n")
    for _ in ctx.track(range(10)):
        time.sleep(0.05)
    return first(ctx, options)


TRAIN = Job({"train": stage("train", training)}, ("train",), {"train": Options()})
SLOW = Job({"slow": stage("slow", slow)}, ("slow",), {"slow": Options()})
