"""The design's directions, read from the imports of every file: who may know whom, and how long a file may be."""

import ast
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
OURS = {"retac_node", "retac_shared", "blender_addon"}
BLENDER = {"aud", "bpy", "bpy_extras", "bmesh", "gpu", "mathutils"}
LONG_FUNCTIONS: dict[str, str] = {}  # "file.py:function" -> why it is longer than 60 lines
LONG_FILES: dict[str, str] = {}  # "file.py" -> why it is longer than 400 lines


def module_name(path: Path) -> str:
    """retac_node/engine/run.py -> retac_node.engine.run; shared/ is not part of a name."""
    parts = path.relative_to(ROOT).with_suffix("").parts
    return ".".join(part for part in parts if part not in ("shared", "__init__"))


def imports(path: Path) -> Iterator[str]:
    """Gives the dotted name of each module that the file imports, anywhere in it; relative ones are made absolute."""
    package = module_name(path).split(".")[: None if path.name == "__init__.py" else -1]
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            above = package[: len(package) - node.level + 1] if node.level else []
            base = ".".join([*above, *([node.module] if node.module else [])])
            yield from (f"{base}.{alias.name}" for alias in node.names)


FILES = sorted(path for top in ("retac_node", "shared", "blender_addon") for path in (ROOT / top).rglob("*.py"))
EVERY = [*FILES, *sorted(path for top in ("tests", "benchmarks") for path in (ROOT / top).rglob("*.py"))]
EDGES = [(module_name(path), name) for path in FILES for name in imports(path)]


def within(name: str, *packages: str) -> bool:
    return any(name == package or name.startswith(f"{package}.") for package in packages)


def top(name: str) -> str:
    return name.partition(".")[0]


def breaches(who: tuple[str, ...], forbidden: tuple[str, ...], but: tuple[str, ...] = ()) -> list[str]:
    """Gives the imports of `forbidden` modules in the packages `who`, the files `but` excepted."""
    files = [edge for edge in EDGES if within(edge[0], *who) and not within(edge[0], *but)]
    return [f"{file} imports {name}" for file, name in files if within(name, *forbidden)]


def strangers(who: tuple[str, ...], known: tuple[str, ...]) -> list[str]:
    """Gives the imports in the packages `who` of anything but themselves, the standard library and `known`."""
    foreign = [edge for edge in EDGES if within(edge[0], *who) and top(edge[1]) not in sys.stdlib_module_names]
    return [f"{file} imports {name}" for file, name in foreign if not within(name, *who, *known)]


PARTS = ("cli", "__main__")  # where the parts meet


def node(*names: str) -> tuple[str, ...]:
    return tuple(f"retac_node.{name}" for name in names)


def test_shared_knows_numpy_and_msgspec() -> None:
    assert strangers(("retac_shared",), ("numpy", "msgspec", "zmq")) == []


def test_zmq_is_in_the_server_and_the_client_only() -> None:  # keys: makes pairs, opens no socket
    assert breaches(tuple(OURS), ("zmq",), but=(*node("server", "keys"), "retac_shared.client")) == []


def test_the_addon_knows_shared_numpy_and_blender() -> None:
    assert strangers(("blender_addon",), ("retac_shared", "numpy", *BLENDER)) == []


def test_the_engine_knows_tasks() -> None:
    assert strangers(node("engine"), ("numpy", "msgspec", *node("errors"))) == []


def test_the_addon_imports_what_is_shared_at_the_top_of_its_files() -> None:  # its name is there only then
    inner = [
        f"{path.name}: {name}"
        for path in FILES
        if path.parent.name == "blender_addon"
        for function in ast.walk(ast.parse(path.read_text()))
        if isinstance(function, ast.FunctionDef)
        for node in ast.walk(function)
        for name in ([node.module or ""] if isinstance(node, ast.ImportFrom) else [])
        if within(name, "retac_shared")
    ]
    assert inner == []


def test_the_talk_of_the_addon_knows_no_blender() -> None:
    talk = tuple(f"blender_addon.{name}" for name in ("errands", "localnode", "_shared"))
    assert breaches(talk, tuple(BLENDER)) == []


def test_nothing_in_the_node_knows_blender() -> None:
    assert breaches(("retac_node", "retac_shared"), tuple(BLENDER)) == []


def test_ops_know_no_models_and_nothing_above() -> None:
    assert breaches(node("ops"), node("models", "stages", "train", "engine", "farm", *PARTS)) == []


def test_models_know_no_stages_and_nothing_above() -> None:
    assert breaches(node("models"), node("stages", "train", "engine", "farm", *PARTS)) == []


def test_stages_know_no_command_line() -> None:
    assert breaches(node("stages"), node("train", "farm", *PARTS)) == []


def test_only_the_command_line_knows_training() -> None:
    assert breaches(tuple(OURS), node("train"), but=node("train", *PARTS)) == []


def test_nothing_knows_the_command_line() -> None:
    assert breaches(tuple(OURS), node(*PARTS), but=node(*PARTS)) == []


def test_the_server_starts_without_stages_or_torch() -> None:
    heavy = ("torch", "cv2", "av", *node("stages", "models", "ops", "train"))
    light = node(
        "server", "reception", "sessions", "schedule", "workers", "pipe", "jobs", "blobs", "keys", "nodeconfig"
    )
    assert breaches(light, heavy) == []


def test_jobs_and_workers_are_not_known_to_the_engine_or_to_stages() -> None:
    assert breaches(node("engine", "stages", "models", "ops"), node("server", "reception", "jobs", "workers")) == []


def test_values_and_errors_know_nothing_of_the_pipeline() -> None:
    assert strangers(node("errors"), ()) == []
    assert strangers(node("data"), ("numpy", "retac_shared")) == []


@pytest.mark.parametrize("path", EVERY, ids=lambda path: str(path.relative_to(ROOT)))
def test_files_and_functions_are_short(path: Path) -> None:
    name, text = str(path.relative_to(ROOT)), path.read_text()
    assert len(text.splitlines()) <= 400 or name in LONG_FILES
    functions = [item for item in ast.walk(ast.parse(text)) if isinstance(item, ast.FunctionDef | ast.AsyncFunctionDef)]
    long = [f"{name}:{item.name}" for item in functions if (item.end_lineno or 0) - item.lineno >= 60]
    assert [item for item in long if item not in LONG_FUNCTIONS] == []


def test_the_reader_of_imports_sees_all_forms(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(globals(), "ROOT", tmp_path)
    path = tmp_path / "blender_addon" / "panels.py"
    path.parent.mkdir()
    path.write_text(
        "import torch.nn\nfrom . import scene\nfrom .scene import read\ndef late():\n    from zmq import Poller\n"
    )
    assert list(imports(path)) == ["torch.nn", "blender_addon.scene", "blender_addon.scene.read", "zmq.Poller"]
