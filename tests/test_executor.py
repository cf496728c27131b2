"""Jobs whose tasks are made several at once, by threads in the place of a farm's workers: order, errors, how it stops."""

import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from retac_node.engine.cache import Cache
from retac_node.engine.events import Event, Finished, Planned, Progress, Started
from retac_node.engine.make import Bench, Ears, make
from retac_node.engine.plan import Task
from retac_node.engine.run import GaveWay, Job, run
from retac_node.engine.stage import Context
from retac_node.errors import BadInput, Cancelled
from tests.fake_stages import ALL, CHUNKS, FRAMES, JOB, Numbers, Options, frames, go, planned, ran, replace, total

PATIENCE = 20.0  # seconds after which something that never comes fails the test


class Crowd:
    """Makes tasks in the threads that ask for it."""

    width = 3

    def make(self, task: Task, bench: Bench, ears: Ears) -> float | None:
        return make(task, bench, ears)


def together(root: Path, job: Job = JOB, hear: Callable[[Event], None] = lambda event: None, **more: Any) -> Any:
    return run(job, Cache(root, 10**9), hear, threading.Event(), executor=Crowd(), **more)


def test_many_at_once_make_what_one_makes(tmp_path: Path) -> None:
    events: list[Event] = []
    results, (alone, _) = together(tmp_path / "many", hear=events.append), go(tmp_path / "one")
    np.testing.assert_array_equal(results["report"].data, alone["report"].data)
    assert sorted(ran(events)) == sorted(ALL)
    entries = [{path.name for path in (tmp_path / name / "done").iterdir()} for name in ("many", "one")]
    assert entries[0] == entries[1]


def test_chunks_are_made_side_by_side(tmp_path: Path) -> None:
    meeting = threading.Barrier(CHUNKS, timeout=PATIENCE)

    def body(ctx: Context, options: Options, span: tuple[int, int], *inputs: Numbers) -> Numbers:
        meeting.wait()  # broken, with an error, unless all are there at once
        return frames(ctx, options, span, *inputs)

    assert len(together(tmp_path, replace(JOB, "refine", body))["encode"].data) == FRAMES


def test_a_task_begins_when_what_it_reads_is_there_whatever_its_stage_waits_for(tmp_path: Path) -> None:
    composited = threading.Event()

    def late(ctx: Context, options: Options, span: tuple[int, int], *inputs: Numbers) -> Numbers:
        assert span != (14, 20) or composited.wait(PATIENCE)
        return frames(ctx, options, span, *inputs)

    def hear(event: Event) -> None:
        if isinstance(event, Finished) and event.stage == "composite":
            composited.set()

    together(tmp_path, replace(JOB, "render", late), hear)
    assert composited.is_set()


def test_what_is_told_is_in_order_for_each_task_and_never_falls(tmp_path: Path) -> None:
    events: list[Event] = []
    together(tmp_path, hear=events.append)
    for task in planned(FRAMES):
        told = [type(event) for event in events if getattr(event, "stage", "") == task.stage
                and getattr(event, "frames", -1) == task.frames]  # fmt: skip
        assert told == [Started, Finished]
    overall = [event.overall for event in events if isinstance(event, Progress)]
    assert overall == sorted(overall)
    assert [len(event.tasks) for event in events if isinstance(event, Planned)] == [5, len(ALL)]


def test_an_error_stops_what_is_under_way_and_is_the_one_that_is_raised(tmp_path: Path) -> None:
    begun, stopped = threading.Event(), threading.Event()

    def body(ctx: Context, options: Options, span: tuple[int, int], *inputs: Numbers) -> Numbers:
        if span == (0, 7):
            assert begun.wait(PATIENCE)
            raise BadInput("chunk 0 is bad")
        begun.set()
        try:
            while True:
                ctx.progress(0.5, "waiting to be stopped")
        except Cancelled:
            stopped.set()
            raise

    with pytest.raises(BadInput, match="chunk 0 is bad"):
        together(tmp_path, replace(JOB, "render", body))
    assert stopped.is_set()


def test_a_job_gives_way_when_what_is_under_way_has_ended(tmp_path: Path) -> None:
    give_way, events = threading.Event(), list[Event]()
    meeting = threading.Barrier(2, action=give_way.set, timeout=PATIENCE)

    def body(ctx: Context, options: Options, *inputs: Numbers) -> Numbers:
        meeting.wait()
        return total(ctx, options, *inputs)

    job = replace(replace(JOB, "voice", body), "track", body)
    with pytest.raises(GaveWay):
        together(tmp_path, job, events.append, give_way=give_way)
    ended = {event.stage for event in events if isinstance(event, Finished)}
    assert ended == {"ingest", "voice", "track"} == set(ran(events))
