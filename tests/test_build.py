"""build.py: runs on a bare Python, sets up once, and passes arguments and exit codes on."""

import ast
import importlib.util
import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

from retac_node import assets

ROOT = Path(__file__).resolve().parent.parent


@pytest.fixture
def build():
    """A fresh copy of the module."""
    spec = importlib.util.spec_from_file_location("build", ROOT / "build.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture
def empty(build, monkeypatch, tmp_path):
    """Pretends that there is no environment yet; gives the list of what pip was asked to install."""
    asked: list[str] = []
    monkeypatch.setattr(build, "VENV", tmp_path)
    monkeypatch.setattr(build, "PYTHON", tmp_path / "python")
    monkeypatch.setattr(build, "STAMP", tmp_path / "stamp")
    monkeypatch.setattr(build, "has_pip", lambda: True)
    monkeypatch.setattr(build, "pip_install", lambda *arguments: asked.append(arguments[-1]))
    (tmp_path / "python").touch()
    return asked


def test_it_uses_the_standard_library_only():
    tree = ast.parse((ROOT / "build.py").read_text())
    found = {name.name for node in ast.walk(tree) if isinstance(node, ast.Import) for name in node.names}
    found |= {node.module for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)}
    assert {name.split(".")[0] for name in found} <= sys.stdlib_module_names


def test_an_old_python_can_read_it_far_enough_to_say_so():
    ast.parse((ROOT / "build.py").read_text(), feature_version=(3, 7))


def test_torch_is_installed_first_and_all_of_it_once(build, empty, monkeypatch):
    monkeypatch.setenv("RETAC_TORCH", "torch==0")
    build.make_venv()
    assert empty == ["torch==0", f"{ROOT}[dev]"]
    build.make_venv()
    assert len(empty) == 2


def test_another_torch_is_installed_when_it_is_asked_for(build, empty, monkeypatch):
    for torch in ("torch==0", "torch==1"):
        monkeypatch.setenv("RETAC_TORCH", torch)
        build.make_venv()
    assert empty[0::2] == ["torch==0", "torch==1"]


@pytest.mark.parametrize(("cuda", "torch"), [(True, "torch===2.13.0"), (False, "torch==2.13.0")])
def test_a_cuda_machine_gets_the_version_without_a_label(build, monkeypatch, cuda, torch):
    monkeypatch.delenv("RETAC_TORCH", raising=False)
    monkeypatch.setattr(build, "has_cuda", lambda: cuda)
    assert build.torch_requirement() == torch


def test_exit_codes_are_passed_on(build, monkeypatch, tmp_path):
    (tmp_path / "refuses.py").write_text("raise SystemExit(3)")
    monkeypatch.setattr(build, "PYTHON", Path(sys.executable))
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    with pytest.raises(SystemExit) as end:
        build.project("refuses")
    assert end.value.code == 3


def test_the_demo_hands_its_options_to_dub(build, monkeypatch):
    ran: list[tuple[str, ...]] = []
    monkeypatch.setattr(build, "project", lambda *arguments: ran.append(arguments))
    build.demo(["--clip", "a.mp4", "--text", "hello", "--quality", "final"])
    assert ran[1] == ("retac_node", "dub", "a.mp4", "--text", "hello", "-o", "out/demo.mp4", "--quality", "final")
    assert ran[2] == ("retac_node.compare", "a.mp4", "out/demo.mp4", "-o", "out/before_after.mp4")


def test_the_addon_is_packed_with_what_it_shares_and_brings(build, tmp_path):
    wheel = tmp_path / "msgspec-1-cp313-cp313-win_amd64.whl"
    wheel.write_bytes(b"wheel")
    files = dict(build.addon_files([wheel]))
    assert {"__init__.py", "LICENSE", "retac_shared/client.py", "retac_shared/LICENSE"} <= files.keys()
    manifest = tomllib.loads(files["blender_manifest.toml"].decode())
    assert manifest["wheels"] == ["./wheels/msgspec-1-cp313-cp313-win_amd64.whl"]
    assert "wheels" not in manifest["permissions"]


def test_the_addon_has_the_projects_version():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    manifest = tomllib.loads((ROOT / "blender_addon" / "blender_manifest.toml").read_text())
    assert manifest["version"] == project["version"]


def test_a_blender_is_chosen_for_the_python_that_is_there(build, monkeypatch):
    monkeypatch.setattr(build.sys, "version_info", (3, 12, 0))
    monkeypatch.setattr(build.shutil, "which", {"python3.13": "/usr/bin/python3.13"}.get)
    assert build.blender_python() == ("/usr/bin/python3.13", (3, 13))
    monkeypatch.setattr(build.shutil, "which", lambda name: None)
    assert build.blender_python() is None


def test_help_needs_nothing_installed():
    command = [sys.executable, "-I", "-S", str(ROOT / "build.py"), "--help"]
    assert "RETAC_TORCH" in subprocess.run(command, capture_output=True, text=True, check=True).stdout


def test_the_third_party_page_names_every_dependency_and_model_file():
    page = (ROOT / "THIRD_PARTY.md").read_text()
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    extras = project["optional-dependencies"].values()
    wanted = [*project["dependencies"], *(name for extra in extras for name in extra)]
    names = {re.match(r"[\w.-]+", requirement)[0] for requirement in wanted} - {"retac"}
    names |= {f"`{row.name}`" for row in assets.table()}
    assert [name for name in sorted(names) if name not in page] == []
