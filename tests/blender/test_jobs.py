"""Jobs outlive what happens to them: a file saved and opened again, a node killed, an undo, a second thought."""

import time

import pytest

bpy = pytest.importorskip("bpy")

PATIENCE = 300  # seconds for what must come, on a busy machine


def begun(addon, node, clip, goal="solve"):
    """Asks for a job and does not wait for it; gives the connection, the scene's settings and the job's number."""
    inbox = addon.connect(node.address)
    retac = bpy.context.scene.retac
    if goal == "solve":
        bpy.ops.retac.import_clip(filepath=str(clip), wait=False)
    else:
        retac.text, retac.first, retac.last = f"hello {time.monotonic_ns()}", 11, 30
        bpy.ops.retac.line(wait=False)
    return inbox, retac, retac.jobs[-1].name


def ends(inbox, job, state="placed"):
    return inbox.wait(lambda: bpy.context.scene.retac.jobs[job].state == state, PATIENCE)


def test_a_file_that_is_opened_again_finds_its_jobs(addon, own_node, clip, tmp_path):
    inbox, _, job = begun(addon, own_node, clip)
    bpy.ops.wm.save_as_mainfile(filepath=str(tmp_path / "shot.blend"))
    bpy.ops.wm.read_homefile(use_empty=True)
    assert inbox.errand(job) is None
    bpy.ops.wm.open_mainfile(filepath=str(tmp_path / "shot.blend"))
    assert ends(inbox, job)
    assert bpy.context.scene.retac.head is not None


def test_another_file_does_not_get_the_job_of_the_one_before(addon, own_node, clip):
    inbox, _, job = begun(addon, own_node, clip)
    bpy.ops.wm.read_homefile(use_empty=True)
    assert not inbox.errand(job)
    assert not inbox.wait(lambda: len(bpy.context.scene.retac.jobs) > 0, 1)


def test_a_node_that_is_killed_and_started_again_finishes(addon, own_node, clip):
    inbox, _, job = begun(addon, own_node, clip)
    assert ends(inbox, job)
    job = begun(addon, own_node, clip, "line")[-1]
    assert inbox.wait(lambda: inbox.errand(job).state == "running", PATIENCE)
    own_node.kill()
    assert inbox.wait(lambda: inbox.link().state == "connecting", PATIENCE)
    own_node.start()
    assert ends(inbox, job)


def test_a_cancelled_job_goes_on_when_it_is_resumed(addon, own_node, clip):
    inbox, _, job = begun(addon, own_node, clip)
    assert ends(inbox, job)
    _, retac, job = begun(addon, own_node, clip, "line")
    assert inbox.wait(lambda: inbox.errand(job).state == "running", PATIENCE)
    bpy.ops.retac.cancel(job=job)
    assert ends(inbox, job, "cancelled")
    assert bpy.ops.retac.resume(job=job) == {"FINISHED"}
    assert retac.jobs[job].state == "placed"


def test_a_job_that_is_cancelled_before_the_node_heard_of_it_never_runs(addon, own_node, clip):
    own_node.kill()
    addon.preferences.address = own_node.address
    inbox = addon.module("inbox")
    bpy.ops.retac.import_clip(filepath=str(clip), wait=False)
    job = bpy.context.scene.retac.jobs[0].name
    bpy.ops.retac.cancel()
    assert ends(inbox, job, "cancelled")
    own_node.start()
    assert inbox.wait(lambda: inbox.link().state == "connected", PATIENCE)
    assert not inbox.wait(lambda: inbox.errand(job).state != "cancelled", 1)


def test_a_job_can_be_asked_for_while_the_node_is_away(addon, own_node, clip):
    own_node.kill()
    addon.preferences.address = own_node.address
    inbox = addon.module("inbox")
    bpy.ops.retac.import_clip(filepath=str(clip), wait=False)
    own_node.start()
    assert ends(inbox, bpy.context.scene.retac.jobs[0].name)


def test_a_result_can_be_placed_again(addon, node, clip):
    inbox, retac, job = begun(addon, node, clip)
    assert ends(inbox, job)
    bpy.data.objects.remove(retac.head)
    assert bpy.ops.retac.place(job=job) == {"FINISHED"}
    assert retac.head is not None


def test_what_came_is_not_placed_again_after_an_undo(addon, node, clip):
    inbox, retac, job = begun(addon, node, clip)
    assert ends(inbox, job)
    retac.jobs[job].state = "open"  # as a step back leaves it
    inbox.on_undo()
    assert not inbox.wait(lambda: retac.jobs[job].state != "open", 1)


def test_a_job_that_was_undone_is_followed_no_more_and_again_when_it_is_back(addon, own_node, clip):
    inbox, retac, job = begun(addon, own_node, clip)
    book = addon.module("book")
    entry = retac.jobs[job]
    kept = {
        name: getattr(entry, name) for name in ("address", "order", "files", "folder", "goal", "strip", "first", "stop")
    }
    book.forget(bpy.context.scene, job)  # as undo does
    assert inbox.wait(lambda: inbox.errand(job) is None, PATIENCE)
    entry = retac.jobs.add()
    for name, value in {**kept, "name": job, "submitted": True}.items():
        setattr(entry, name, value)
    inbox.on_undo()
    assert ends(inbox, job)


def test_a_forgotten_job_leaves_the_list(addon, node, clip):
    inbox, retac, job = begun(addon, node, clip)
    assert ends(inbox, job)
    assert bpy.ops.retac.forget(job=job) == {"FINISHED"}
    assert [len(retac.jobs), inbox.errand(job)] == [0, None]


def test_a_job_of_another_node_is_left_alone(addon, node, clip):
    inbox, retac, job = begun(addon, node, clip)
    assert ends(inbox, job)
    retac.jobs[job].address, retac.jobs[job].state = "tcp://10.9.8.7:7420", "open"
    with pytest.raises(RuntimeError, match=r"10\.9\.8\.7"):
        bpy.ops.retac.resume(job=job)
