"""The table of jobs: what is durable, in what order jobs run, and what a restart makes of them."""

import sqlite3
import time

import pytest
from retac_shared.jobs import MOVES, IllegalMove, Part
from retac_shared.order import Order

from retac_node.errors import BadInput, OutOfSpace
from retac_node.jobs import Jobs

ORDER = Order("c" * 64, text="Hello.", name="out.mp4")


@pytest.fixture
def jobs(tmp_path):
    return Jobs(tmp_path / "jobs.db", 100)


def add(jobs, *names, priority=0, owner="ann"):
    return [jobs.add(name, owner, "", priority, ORDER) for name in names]


def again(jobs):
    """The table as a node that is started anew finds it."""
    jobs.disk.close()
    return Jobs(jobs.file, jobs.keep)


def test_the_queue_is_by_priority_then_age(jobs):
    add(jobs, "a", "b")
    (first,) = add(jobs, "c", priority=3)
    assert [job.id for job in jobs.queue] == ["c", "a", "b"]
    jobs.move(first, "running")
    jobs.move(first, "queued")
    assert [job.id for job in jobs.queue] == ["c", "a", "b"]
    assert [jobs.ahead(job) for job in jobs.queue] == [0, 1, 2]


def test_only_what_is_committed_outlives_a_kill(jobs):
    add(jobs, "a")
    jobs.commit()
    add(jobs, "b")
    assert [*again(jobs).all] == ["a"]


def test_what_ran_is_queued_again_in_its_place(jobs):
    first, _ = add(jobs, "a", "b")
    jobs.move(first, "running")
    jobs.tell(first, "adapt", "learning", 0.4)
    jobs.add_part(first, Part("x", "1" * 64, 3))
    jobs.commit()
    told = first.change
    new = again(jobs)
    assert [job.id for job in new.queue] == ["a", "b"]
    assert (new.all["a"].fraction, new.parts(new.all["a"])) == (0.4, (Part("x", "1" * 64, 3),))
    assert new.all["a"].change > told
    assert new.all["a"].order == ORDER


def test_what_was_being_cancelled_is_cancelled(jobs):
    (job,) = add(jobs, "a")
    jobs.move(job, "running")
    job.cancelling = True
    jobs.touch(job)
    jobs.commit()
    assert again(jobs).all["a"].state == "cancelled"


def test_states_move_as_the_table_says(jobs):
    for state, allowed in MOVES.items():
        for then in set(MOVES) - set(allowed):
            (job,) = add(jobs, f"{state}{then}")
            job.state = state
            with pytest.raises(IllegalMove):
                jobs.move(job, then)


def test_a_part_counts_once(jobs):
    (job,) = add(jobs, "a")
    jobs.move(job, "running")
    for sha256 in ("1" * 64, "1" * 64, "2" * 64):
        jobs.add_part(job, Part("x", sha256, 3))
    jobs.move(job, "done")
    jobs.commit()
    assert [part.sha256[0] for part in jobs.parts(job)] == ["1", "2"]
    assert jobs.parts(job, 1, 5) == again(jobs).parts(job, 1, 5) == (Part("x", "2" * 64, 3),)


def test_a_commit_that_fails_loses_nothing(jobs):
    add(jobs, "a")
    jobs.commit()
    jobs.disk.execute(f"PRAGMA max_page_count = {jobs.disk.execute('PRAGMA page_count').fetchone()[0]}")
    add(jobs, *(f"job {n}" for n in range(99)))
    with pytest.raises(OutOfSpace):
        jobs.commit()
    jobs.disk.execute("PRAGMA max_page_count = 100000")
    jobs.commit()
    assert len(again(jobs).all) == 100


def test_time_that_jumps_back_does_not_mix_up_the_jobs(jobs, monkeypatch):
    (first,) = add(jobs, "a")
    monkeypatch.setattr(time, "time", lambda: 1000.0)
    (second,) = add(jobs, "b")
    assert second.created > first.created
    assert [job.id for job in jobs.newest(None, second.created)] == ["a"]


def test_old_jobs_are_forgotten_and_unended_ones_never(tmp_path):
    jobs = Jobs(tmp_path / "jobs.db", 2)
    for job in add(jobs, "a", "b", "c", "d")[1:]:
        jobs.move(job, "cancelled")
        jobs.commit()
    add(jobs, "e")
    jobs.commit()
    assert [*jobs.all] == [*again(jobs).all] == ["a", "c", "d", "e"]


def test_the_files_of_unended_jobs_are_wanted(jobs):
    first, second = add(jobs, "a", "b")
    jobs.add_part(first, Part("x", "1" * 64, 3))
    assert jobs.files() == {"c" * 64, "1" * 64}
    for job in (first, second):
        jobs.move(job, "cancelled")
    assert jobs.files() == set()
    jobs.commit()
    assert jobs.concerns("ann", "1" * 64)
    assert not jobs.concerns("bob", "1" * 64)


def test_a_file_that_is_no_table_is_said(tmp_path):
    (tmp_path / "jobs.db").write_bytes(b"no table" * 1000)
    with pytest.raises(BadInput, match="move it away"):
        Jobs(tmp_path / "jobs.db", 5)
    assert sqlite3.sqlite_version_info > (3, 24)
