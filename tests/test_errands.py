"""What Blender asks of a node, without Blender: files go, jobs are followed, results come, and all of it may break."""

import time

import pytest
from retac_shared.client import Client, new_job

from blender_addon.errands import Asked, Errands
from tests.fake_node import FakeNode


@pytest.fixture
def node(tmp_path):
    with FakeNode(tmp_path) as made:
        yield made


@pytest.fixture
def errands(node):
    with Client(node.address) as client:
        yield Errands(client)


def asked(tmp_path, job="", goal="line", submitted=False, **order):
    clip = tmp_path / "clip.mp4"
    if not clip.exists():
        clip.write_bytes(b"a clip")
    text = {} if goal == "solve" else {"text": "hello there"}
    folder = tmp_path / "results"
    return Asked(job or new_job(), {"goal": goal, **text, **order}, {"clip": clip}, folder, "a line", submitted)


def until(errands, job, *states, seconds=60):
    end = time.monotonic() + seconds
    while errands.all[job].state not in states:
        assert time.monotonic() < end, errands.all[job]
        for reply in errands.client.drain(0.01):
            errands.hear(reply)
        time.sleep(0.005)
    return errands.all[job]


def test_a_job_is_asked_for_followed_and_fetched(errands, tmp_path):
    wanted = asked(tmp_path)
    errands.begin(wanted)
    errand = until(errands, wanted.job, "done")
    assert errand.here["motion.npz"].read_bytes()
    assert [news.what for news in errands.news if news.what != "moved"] == ["submitted", "ended"]
    assert errand.fraction == 1


def test_the_pictures_of_a_dub_come_before_it_ends(tmp_path):
    wanted = asked(tmp_path, goal="dub")
    with FakeNode(tmp_path, pause=0.3) as node, Client(node.address) as client:
        errands = Errands(client)
        errands.begin(wanted)
        errand = until(errands, wanted.job, "done")
    what = [news.what for news in errands.news]
    assert "preview" in what[: what.index("ended")]
    assert {"video.mp4", "report.html"} <= errand.here.keys()


def test_a_job_of_an_earlier_session_is_followed(errands, tmp_path):
    wanted = asked(tmp_path)
    errands.begin(wanted)
    until(errands, wanted.job, "done")
    errands.forget(wanted.job)
    errands.begin(asked(tmp_path, wanted.job, submitted=True))
    assert until(errands, wanted.job, "done").here


def test_a_node_that_lost_its_jobs_is_asked_anew(errands, tmp_path):
    wanted = asked(tmp_path, submitted=True)
    errands.begin(wanted)
    assert until(errands, wanted.job, "done").here


def test_a_file_is_read_once_for_many_jobs(errands, tmp_path):
    for text in ("one", "two"):
        wanted = asked(tmp_path, text=text)
        errands.begin(wanted)
        until(errands, wanted.job, "done")
    assert len(errands.digests) == 1


def test_what_the_node_cannot_do_is_said_and_can_be_tried_again(errands, tmp_path):
    wanted = asked(tmp_path, text="fail")
    errands.begin(wanted)
    assert "cannot be spoken" in until(errands, wanted.job, "failed").words
    errands.resume(wanted.job)
    until(errands, wanted.job, "queued", "running")
    until(errands, wanted.job, "failed")


def test_a_file_that_is_gone_is_said(errands, tmp_path):
    wanted = asked(tmp_path)
    wanted.files["clip"].unlink()
    errands.begin(wanted)
    assert "clip.mp4" in until(errands, wanted.job, "failed").words


def test_a_part_with_a_strange_name_is_not_written(errands, tmp_path):
    from retac_shared.jobs import Part
    from retac_shared.messages import Parts

    wanted = asked(tmp_path, submitted=True)
    errands.begin(wanted)
    errand = errands.all[wanted.job]
    errands.hear(Parts(errand.watch, 0, (Part("../motion.npz", "a" * 64, 1), Part("/motion.npz", "a" * 64, 1))))
    assert errand.parts == {}
