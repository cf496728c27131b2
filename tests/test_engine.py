"""The engine with fake stages in the shape of the real ones: what runs, what is kept, and how it stops."""

import dataclasses
import errno
import os
import signal
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from retac_node.engine.cache import Cache
from retac_node.engine.events import Event, Finished, Planned, Progress, Started, Warned
from retac_node.engine.plan import plan
from retac_node.engine.run import Abandoned, GaveWay, run
from retac_node.engine.stage import Context
from retac_node.errors import Cancelled, OutOfSpace
from tests.fake_stages import (
    ALL,
    CHUNKS,
    DUB,
    FRAMES,
    JOB,
    SLOW,
    TRAIN,
    Numbers,
    Options,
    first,
    frames,
    go,
    nudge,
    planned,
    ran,
    replace,
    total,
)  # fmt: skip

ROOT = Path(__file__).parents[1]

# ---- plan


def test_the_first_phase_is_part_of_the_second() -> None:
    early, late = planned(None), planned(FRAMES)
    assert [task.stage for task in early] == ["ingest", "track", "voice", "adapt", "motion"]
    assert {task.key for task in early} < {task.key for task in late}
    assert Counter(task.stage for task in late) == Counter(ALL)


def test_each_task_comes_after_those_it_reads() -> None:
    seen: set[str] = set()
    for task in planned(FRAMES):
        assert seen.issuperset(task.sources())
        seen.add(task.key)


def test_a_chunk_reads_the_same_range_and_a_whole_reads_all_in_order() -> None:
    tasks = planned(FRAMES)
    by_stage = {name: [task for task in tasks if task.stage == name] for name in DUB}
    assert [task.inputs[-1] for task in by_stage["refine"]] == [task.key for task in by_stage["render"]]
    assert by_stage["encode"][0].inputs[-1] == tuple(task.key for task in by_stage["composite"])
    assert [task.frames for task in by_stage["render"]] == [(0, 7), (7, 14), (14, 20)]


def test_a_key_depends_on_version_options_weights_and_range_alone() -> None:
    keys = {task.key for task in planned(FRAMES)}
    assert keys == {task.key for task in planned(FRAMES)}
    assert len(keys) == len(ALL)
    other = {task.stage for task in planned(FRAMES, {"landmarks": "11", "refiner": "33"}) if task.key not in keys}
    assert other == {"refine", "composite", "encode", "report"}


def test_keys_are_the_same_in_another_process() -> None:
    script = "from tests.fake_stages import planned; print(planned(20)[-1].key)"
    output = subprocess.run([sys.executable, "-c", script], cwd=ROOT, capture_output=True, text=True).stdout
    assert output.strip() == planned(FRAMES)[-1].key


# ---- what runs


def test_a_second_run_runs_nothing(tmp_path: Path) -> None:
    results, events = go(tmp_path)
    assert ran(events) == ALL
    again, events = go(tmp_path)
    assert ran(events) == []
    np.testing.assert_array_equal(results["report"].data, again["report"].data)


@pytest.mark.parametrize("name", ["composite", "encode", "voice", "report"])
def test_changing_an_option_redoes_only_what_follows(tmp_path: Path, name: str) -> None:
    go(tmp_path)
    _, events = go(tmp_path, nudge(JOB, name))
    follows = {
        "composite": {"composite", "encode", "report"},
        "encode": {"encode", "report"},
        "voice": {"voice", "motion", "render", "refine", "composite", "encode", "report"},
        "report": {"report"},
    }
    assert ran(events) == [stage for stage in ALL if stage in follows[name]]


def test_new_weights_redo_the_stages_that_use_them(tmp_path: Path) -> None:
    go(tmp_path)
    _, events = go(tmp_path, dataclasses.replace(JOB, weight_hashes={"landmarks": "11", "refiner": "33"}))
    assert set(ran(events)) == {"refine", "composite", "encode", "report"}


@pytest.mark.parametrize("chunk", [1, 7, 19])
def test_chunked_equals_unchunked(tmp_path: Path, chunk: int) -> None:
    whole, _ = go(tmp_path, dataclasses.replace(JOB, chunk=FRAMES))
    parts, _ = go(tmp_path, dataclasses.replace(JOB, chunk=chunk, wanted=("encode", "render")))
    np.testing.assert_array_equal(whole["encode"].data, parts["encode"].data)
    assert len(parts["render"]) == -(-FRAMES // chunk)


def test_without_per_frame_stages_no_length_is_needed(tmp_path: Path) -> None:
    _, events = go(tmp_path, dataclasses.replace(JOB, wanted=("track",), length=None))
    assert ran(events) == ["ingest", "track"]


def test_after_an_error_only_what_is_missing_runs(tmp_path: Path) -> None:
    def fails(ctx: Context, options: Options, span: tuple[int, int], *inputs: Numbers) -> Numbers:
        assert span != (7, 14), "broken chunk"
        return frames(ctx, options, span, *inputs)

    with pytest.raises(AssertionError, match="broken chunk"):
        go(tmp_path, replace(JOB, "refine", fails))
    _, events = go(tmp_path)
    assert ran(events) == ["refine", "refine", *["composite"] * CHUNKS, "encode", "report"]


def test_a_damaged_entry_is_made_again_if_it_is_read(tmp_path: Path) -> None:
    go(tmp_path)
    keys = {task.stage: task.key for task in planned(FRAMES)}
    (tmp_path / "done" / keys["encode"] / "out.mp4").write_text("")
    (tmp_path / "done" / keys["adapt"] / "value.data.npy").unlink()
    results, events = go(tmp_path)
    assert ran(events) == ["encode"]  # the motion is held, so nothing reads what was adapted
    assert results["encode"].data.shape == (FRAMES,)


def test_what_is_evicted_but_not_read_stays_unmade(tmp_path: Path) -> None:
    go(tmp_path)
    keys = {task.stage: task.key for task in planned(FRAMES)}
    cache = Cache(tmp_path, 10**9)
    for name in ("ingest", "adapt", "render"):
        cache.discard(tmp_path / "done" / keys[name])
    _, events = go(tmp_path, nudge(JOB, "composite"))
    assert ran(events) == ["ingest", *["composite"] * CHUNKS, "encode", "report"]


def test_the_running_job_is_never_evicted_and_older_ones_are(tmp_path: Path) -> None:
    go(tmp_path)
    _, events = go(tmp_path, nudge(JOB, "ingest"), limit=1)
    assert ran(events) == ALL
    _, events = go(tmp_path, nudge(JOB, "ingest"))
    assert ran(events) == []
    assert len(list((tmp_path / "done").iterdir())) == len(ALL)


# ---- what is told


def test_warnings_are_repeated_from_the_cache_once(tmp_path: Path) -> None:
    for _ in range(2):
        _, events = go(tmp_path)
        assert [event for event in events if isinstance(event, Warned)] == [Warned("ingest", "it is dark")]


def test_events_come_in_order_and_name_what_is_cached(tmp_path: Path) -> None:
    _, events = go(tmp_path)
    _, second = go(tmp_path, nudge(JOB, "encode"))
    assert [type(event) for event in events[:4]] == [Planned, Started, Warned, Finished]
    plans = [event for event in second if isinstance(event, Planned)]
    assert [len(event.tasks) for event in plans] == [5, len(ALL)]
    assert {task.stage for task in plans[1].tasks if not task.cached} == {"encode", "report"}
    ends = [event for event in second if isinstance(event, Finished)]
    assert [event.stage for event in ends] == ALL
    assert {event.stage for event in ends if not event.cached} == {"encode", "report"}


def test_a_cached_result_tells_how_long_it_took_when_it_was_made(tmp_path: Path) -> None:
    first, second = ([event for event in go(tmp_path)[1] if isinstance(event, Finished)] for _ in range(2))
    assert {(event.stage, event.frames): event.seconds for event in first} == {
        (event.stage, event.frames): event.spent for event in second
    }
    assert {event.seconds for event in second} == {0.0}


def test_progress_rises_and_is_told_about_ten_times_a_second(tmp_path: Path) -> None:
    def busy(ctx: Context, options: Options, *inputs: Numbers) -> Numbers:
        for _ in ctx.track(range(500), label="busy"):
            time.sleep(0.001)
        return first(ctx, options)

    _, events = go(tmp_path, replace(dataclasses.replace(JOB, wanted=("ingest", "track")), "ingest", busy))
    told = [event for event in events if isinstance(event, Progress)]
    assert 4 <= len(told) <= 30
    assert [event.overall for event in told] == sorted(event.overall for event in told)
    assert told[-1].overall == pytest.approx(told[-1].fraction / 2)  # one of two stages


# ---- how it stops


def endless(ctx: Context, options: Options) -> Numbers:
    while True:
        ctx.progress(0.5, "thinking")
        time.sleep(0.01)


def deaf(ctx: Context, options: Options) -> Numbers:
    time.sleep(3)  # a library call that knows of no cancelling
    return first(ctx, options)


@pytest.mark.parametrize(("body", "kind"), [(endless, Cancelled), (deaf, Abandoned)])
def test_cancel_returns_within_a_second(tmp_path: Path, body: Callable[..., Any], kind: type[Cancelled]) -> None:
    cancelled, job = threading.Event(), replace(JOB, "ingest", body)
    moments: list[float] = []

    def stop() -> None:
        moments.append(time.monotonic())
        cancelled.set()

    threading.Timer(0.1, stop).start()
    with pytest.raises(Cancelled) as caught:
        run(job, Cache(tmp_path, 10**9), lambda event: None, cancelled)
    assert time.monotonic() - moments[0] < 1.0
    assert type(caught.value) is kind
    assert list((tmp_path / "done").iterdir()) == []


def test_an_error_in_the_listener_stops_the_stages(tmp_path: Path) -> None:
    ended = threading.Event()

    def body(ctx: Context, options: Options) -> Numbers:
        try:
            return endless(ctx, options)
        finally:
            ended.set()

    def listener(event: Event) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        run(replace(JOB, "ingest", body), Cache(tmp_path, 10**9), listener, threading.Event())
    assert ended.wait(1.0)


def spawn(root: Path, job: str) -> "subprocess.Popen[bytes]":
    script = f"import sys, pathlib; from tests.fake_stages import *; go(pathlib.Path(sys.argv[1]), {job})"
    return subprocess.Popen([sys.executable, "-c", script, str(root)], cwd=ROOT)


def test_after_kill_9_training_goes_on_from_its_checkpoint(tmp_path: Path) -> None:
    assert spawn(tmp_path, "TRAIN").wait(10) == -signal.SIGKILL
    results, _ = go(tmp_path, TRAIN)
    assert list(results["train"].data) == [5, 10]
    assert list((tmp_path / "work").iterdir()) == []


def test_two_processes_share_one_task(tmp_path: Path) -> None:
    children = [spawn(tmp_path, "SLOW") for _ in range(2)]
    assert [child.wait(10) for child in children] == [0, 0]
    assert (tmp_path / "calls").read_text() == "call\n"


def test_one_who_waits_for_another_can_be_cancelled(tmp_path: Path) -> None:
    cancelled = threading.Event()
    with Cache(tmp_path, 10**9).claim(plan(SLOW.stages, ("slow",), SLOW.options, {}, None, 1)[0].key):
        threading.Timer(0.1, cancelled.set).start()
        with pytest.raises(Cancelled):
            run(SLOW, Cache(tmp_path, 10**9), lambda event: None, cancelled)


def test_a_full_disk_says_where_and_costs_only_the_task(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    real, written = os.fsync, list[int]()

    def fsync(descriptor: int) -> None:
        written.append(descriptor)
        if len(written) == 3:
            raise OSError(errno.ENOSPC, "No space left on device")
        real(descriptor)

    monkeypatch.setattr(os, "fsync", fsync)
    with pytest.raises(OutOfSpace, match=f"the cache folder {tmp_path} is full; free some space"):
        go(tmp_path)
    assert len(list((tmp_path / "done").iterdir())) == 2
    assert not any(path.is_file() for path in (tmp_path / "work").rglob("*"))
    monkeypatch.undo()
    _, events = go(tmp_path)
    assert ran(events) == ALL[2:]


def test_a_stage_that_fills_the_disk_is_told_alike(tmp_path: Path) -> None:
    def body(ctx: Context, options: Options) -> Numbers:
        raise RuntimeError("write failed: No space left on device (os error 28)")

    with pytest.raises(OutOfSpace, match="is full"):
        go(tmp_path, replace(JOB, "ingest", body))


def test_a_job_gives_way_between_two_tasks_and_goes_on_there(tmp_path: Path) -> None:
    give_way, events = threading.Event(), list[Event]()

    def hear(event: Event) -> None:
        events.append(event)
        if isinstance(event, Started) and event.stage == "voice":
            give_way.set()

    def patient(ctx: Context, options: Options, *inputs: Numbers) -> Numbers:
        assert give_way.wait(20)
        return total(ctx, options, *inputs)

    with pytest.raises(GaveWay):
        run(replace(JOB, "voice", patient), Cache(tmp_path, 10**9), hear, threading.Event(), give_way)
    assert ran(events)[-1] == "voice"
    _, after = go(tmp_path)
    assert ran(events) + ran(after) == ALL
