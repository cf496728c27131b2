"""The built zip: what is in it, and a shot made with it in an empty profile."""

import json
import os
import subprocess
import sys
import tomllib
import zipfile
from pathlib import Path

import pytest

from tests.blender.nodes import ROOT

pytest.importorskip("bpy")

PACKAGES = sorted((ROOT / "dist").glob("retac-*.zip"))
pytestmark = pytest.mark.skipif(not PACKAGES, reason="no zip here; python3 build.py addon makes it")


@pytest.fixture
def package() -> Path:
    """The zip, if it is of the files as they are now."""
    with zipfile.ZipFile(PACKAGES[-1]) as file:
        for path in (ROOT / "blender_addon").glob("*.py"):
            if path.name not in file.namelist() or file.read(path.name) != path.read_bytes():
                pytest.skip(f"{path.name} has changed since the zip was made; python3 build.py addon")
    return PACKAGES[-1]


def test_it_brings_a_wheel_for_every_blender(package):
    with zipfile.ZipFile(package) as file:
        listed = tomllib.loads(file.read("blender_manifest.toml").decode())["wheels"]
        held = [name for name in file.namelist() if name.startswith("wheels/")]
        assert sorted(held) == sorted(name.removeprefix("./") for name in listed)
    for python in ("cp311", "cp313", "cp314"):
        for system in ("manylinux", "win_amd64", "arm64", "macosx_10"):
            assert [name for name in listed if "msgspec" in name and python in name and system in name]


def test_a_shot_is_made_with_it_in_an_empty_profile(package, node, clip, tmp_path):
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    environment["BLENDER_USER_RESOURCES"] = str(tmp_path / "user")
    command = [sys.executable, str(Path(__file__).with_name("installed.py")), str(package), node.address, str(clip)]
    made = subprocess.run(
        [*command, str(tmp_path)], env=environment, capture_output=True, text=True, timeout=1200, check=False
    )
    assert made.returncode == 0, made.stdout[-1000:] + made.stderr[-3000:]
    told = json.loads(made.stdout.strip().splitlines()[-1])
    assert told["jobs"] == [["solve", "placed"], ["line", "placed"], ["dub", "placed"]]
    assert told["sent"] == ["clip", "motion"]
    assert told["warnings"] == told["threads"] == told["left"] == []
    assert all(str(tmp_path) in path or "site-packages" in path for path in told["brought"])
