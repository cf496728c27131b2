"""Blender as a Python module with the add-on loaded from its source folder, the way an extension is loaded."""

import importlib
import os
import sys
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from tests.blender import nodes

ENDED = pytest.StashKey[int]()
SOURCE = nodes.ROOT / "blender_addon"
PACKAGE = "bl_ext.dev.retac"


def pytest_sessionfinish(session: pytest.Session, exitstatus: int) -> None:
    session.config.stash[ENDED] = int(exitstatus)


@pytest.hookimpl(trylast=True)
def pytest_unconfigure(config: pytest.Config) -> None:
    """Ends at once: Blender 4.5 as a module may wait for ever for a thread of its own when Python ends."""
    if "bpy" in sys.modules:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(config.stash.get(ENDED, 1))


class Addon:
    """The enabled add-on."""

    name = PACKAGE

    def module(self, name: str) -> ModuleType:
        return importlib.import_module(f"{PACKAGE}.{name}")

    @property
    def preferences(self) -> Any:
        import bpy

        return bpy.context.preferences.addons[PACKAGE].preferences

    def connect(self, address: str) -> Any:
        """Talks with the node at that address; gives the inbox module."""
        inbox = self.module("inbox")
        self.preferences.address = address
        assert inbox.wait(lambda: inbox.link().state == "connected", 300), inbox.link()
        return inbox


@pytest.fixture(autouse=True)
def empty() -> None:
    """Blender as it comes, with nothing in the scene."""
    if find_spec("bpy") is None:
        pytest.skip("no bpy in this Python")
    import bpy

    bpy.ops.wm.read_factory_settings(use_empty=True)


@pytest.fixture
def addon(tmp_path: Path) -> Iterator[Addon]:
    """The add-on, enabled from source and disabled afterwards; its results go into tmp_path/results."""
    import addon_utils
    import bpy

    folder = tmp_path / "extensions"
    folder.mkdir()
    (folder / "retac").symlink_to(SOURCE, target_is_directory=True)
    repositories = bpy.context.preferences.extensions.repos
    repository = repositories.new(name="dev", module="dev", custom_directory=str(folder), source="USER")
    assert addon_utils.enable(PACKAGE, default_set=True) is not None
    loaded = Addon()
    loaded.preferences.folder = str(tmp_path / "results")
    try:
        yield loaded
    finally:
        addon_utils.disable(PACKAGE, default_set=True)
        repositories.remove(repository)


@pytest.fixture(scope="session")
def clip(tmp_path_factory: pytest.TempPathFactory) -> Path:
    if not nodes.PYTHON.exists():
        pytest.skip("the node's own Python is not there; python3 build.py venv makes it")
    return nodes.make_clip(tmp_path_factory.mktemp("clip") / "talk.mp4")


@pytest.fixture(scope="session")
def node(clip: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[nodes.Node]:
    """One for all tests: what was made on it once is there."""
    with nodes.Node(tmp_path_factory.mktemp("home")) as made:
        yield made


@pytest.fixture
def own_node(clip: Path, tmp_path: Path) -> Iterator[nodes.Node]:
    """One that may be killed; a training lasts three seconds on it."""
    with nodes.Node(tmp_path / "home", pause=3.0) as made:
        yield made
