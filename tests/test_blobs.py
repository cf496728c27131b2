"""The file store: what it keeps, what it takes in, what makes room for what."""

import hashlib
import os
import random
import shutil
import time

import pytest

from retac_node import blobs
from retac_node.blobs import Blobs
from retac_node.errors import OutOfSpace, Refused

MIB = 1 << 20


def bytes_of(size, seed=0):
    return random.Random(seed).randbytes(size)


def digest(data):
    return hashlib.sha256(data).hexdigest()


@pytest.fixture
def store(tmp_path):
    store = Blobs(tmp_path / "blobs", limit_bytes=10 * MIB, file_limit=4 * MIB, partial_limit=3)
    yield store
    store.close()


def send(store, data, owner="ann", step=100_000, sha256=""):
    name = sha256 or digest(data)
    here = store.begin(owner, name, len(data))
    while here < len(data):
        here = store.write(owner, name, here, memoryview(data)[here : here + step])
    return finish(store, name, owner)


def finish(store, name, owner="ann"):
    end = time.monotonic() + 60
    while (verdict := store.finish(owner, name)) is None:
        assert time.monotonic() < end
        time.sleep(0.002)
    return verdict


def names(store):
    return {path.name for path in store.have.iterdir()}


@pytest.mark.parametrize("size", [0, 1, MIB, 3 * MIB + 7])
def test_what_was_sent_is_here(store, size):
    data = bytes_of(size)
    assert send(store, data) is True
    assert store.size(digest(data)) == size
    assert b"".join(store.read(digest(data), at, 99_999) for at in range(0, size, 99_999)) == data
    assert list(store.coming.iterdir()) == []


def test_other_bytes_than_promised_are_discarded(store):
    assert send(store, bytes_of(5000), sha256=digest(b"another")) is False
    assert names(store) == set()
    assert list(store.coming.iterdir()) == []


def test_bytes_that_are_not_the_next_ones_are_not_written(store):
    data = bytes_of(5000)
    store.begin("ann", digest(data), 5000)
    assert store.write("ann", digest(data), 100, data[100:]) == 0
    assert store.write("ann", digest(data), 0, data[:1000]) == 1000
    assert store.write("ann", digest(data), 0, data[:1000]) == 1000
    assert store.write("ann", digest(data), 1000, data) == 1000
    assert store.finish("ann", digest(data)) is None
    assert store.write("ann", digest(data), 1000, data[1000:]) == 5000
    assert finish(store, digest(data)) is True


def test_an_upload_goes_on_after_the_node_was_killed(store, tmp_path):
    data = bytes_of(2 * MIB)
    store.begin("ann", digest(data), len(data))
    store.write("ann", digest(data), 0, data[:MIB])
    again = Blobs(tmp_path / "blobs", 10 * MIB, 4 * MIB)
    assert again.begin("ann", digest(data), len(data)) == MIB
    assert send(again, data) is True
    again.close()


def test_an_upload_is_its_owners_alone(store):
    data = bytes_of(5000)
    store.begin("ann", digest(data), 5000)
    store.write("ann", digest(data), 0, data)
    assert store.begin("bob", digest(data), 5000) == 0
    with pytest.raises(Refused):
        store.write("cyd", digest(data), 0, data)


@pytest.mark.parametrize("name", ["../../etc/passwd", "", "A" * 64, "0" * 63, "0" * 64 + "\n", "/" * 64])
def test_names_never_reach_the_disk(store, name):
    with pytest.raises(Refused):
        store.begin("ann", name, 1)
    with pytest.raises(Refused):
        store.read(name, 0, 1)


def test_a_file_over_the_limit_is_refused_before_it_is_sent(store):
    with pytest.raises(Refused, match="at most"):
        store.begin("ann", "0" * 64, 4 * MIB + 1)


def test_the_oldest_unused_go_first_and_what_is_held_stays(store):
    files = [bytes_of(3 * MIB, seed) for seed in range(4)]
    store.hold(lambda: {digest(files[0])})
    for data in files[:3]:
        send(store, data)
    store.size(digest(files[1]))  # used now
    send(store, files[3])
    assert names(store) == {digest(files[at]) for at in (0, 1, 3)}


def test_what_was_used_is_known_after_a_start(store, tmp_path):
    files = [bytes_of(3 * MIB, seed) for seed in range(4)]
    for ago, data in zip((10, 30, 20), files, strict=False):
        send(store, data)
        os.utime(store.have / digest(data), (time.time() - ago, time.time() - ago))
    again = Blobs(tmp_path / "blobs", 10 * MIB, 4 * MIB)
    send(again, files[3])
    assert names(again) == {digest(files[at]) for at in (0, 2, 3)}
    again.close()


def test_no_room_is_refused_while_all_is_held(store):
    files = [bytes_of(3 * MIB, seed) for seed in range(4)]
    store.hold(lambda: {digest(data) for data in files})
    for data in files[:3]:
        send(store, data)
    with pytest.raises(Refused, match="no room"):
        store.begin("ann", digest(files[3]), len(files[3]))


def test_the_quota_holds_over_many_files(store):
    for seed in range(40):
        assert send(store, bytes_of(MIB, seed)) is True
    assert sum(path.stat().st_size for path in store.have.iterdir()) <= 10 * MIB


def test_beyond_the_limit_the_upload_that_waited_longest_is_dropped(store):
    going = bytes_of(MIB)
    store.begin("bob", digest(b"other"), 5)
    store.begin("ann", digest(going), MIB)
    for seed in range(9):
        store.write("ann", digest(going), seed * 100_000, going[seed * 100_000 :][:100_000])
        store.begin("ann", digest(bytes_of(9, seed)), 9)
    assert len(list(store.coming.iterdir())) == 3 + 1
    assert send(store, going) is True


def test_the_folder_may_vanish_at_any_time(store):
    data = bytes_of(2 * MIB)
    store.begin("ann", digest(data), len(data))
    store.write("ann", digest(data), 0, data[:MIB])
    shutil.rmtree(store.have.parent)
    assert store.write("ann", digest(data), MIB, data[MIB:]) == 0
    assert send(store, data) is True
    shutil.rmtree(store.have.parent)
    assert store.size(digest(data)) is None
    assert send(store, data) is True


def test_a_full_disk_keeps_what_came(store, monkeypatch):
    data = bytes_of(5000)
    store.begin("ann", digest(data), 5000)
    store.write("ann", digest(data), 0, data[:1000])
    full = blobs.os.pwrite
    monkeypatch.setattr(blobs.os, "pwrite", lambda *_: full(os.open("/dev/full", os.O_WRONLY), b"1", 0))
    with pytest.raises(OutOfSpace, match="full"):
        store.write("ann", digest(data), 1000, data[1000:])
    monkeypatch.undo()
    assert send(store, data) is True


def test_finished_files_are_taken_in_by_a_link(store, tmp_path):
    (tmp_path / "out.mp4").write_bytes(b"video")
    added = store.add(tmp_path / "out.mp4")
    assert (added.sha256, added.size) == (digest(b"video"), 5)
    assert store.path(added.sha256).samefile(tmp_path / "out.mp4")
    assert store.add(tmp_path / "out.mp4", added.sha256) == added


def test_what_the_disk_lost_is_found_at_the_start(store, tmp_path):
    data = bytes_of(5000)
    send(store, data)
    store.close()
    (store.fresh / digest(data)).touch()
    store.path(digest(data)).write_bytes(bytes(5000))  # as a file system may after the power failed
    again = Blobs(tmp_path / "blobs", 10 * MIB, 4 * MIB)
    again.recover()
    assert again.size(digest(data)) is None
    assert list(again.fresh.iterdir()) == []


def test_uploads_side_by_side_are_each_right(store):
    files = [bytes_of(MIB + seed, seed) for seed in range(3)]
    for data in files:
        store.begin("ann", digest(data), len(data))
    for at in range(0, MIB + 3, 70_000):
        for data in files:
            store.write("ann", digest(data), at, data[at : at + 70_000])
    assert all(finish(store, digest(data)) is True for data in files)
