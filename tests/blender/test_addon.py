"""The add-on is enabled, disabled and loaded again, and leaves nothing behind; its sidebar can be drawn at any time."""

import re
import sys
import threading
from types import SimpleNamespace

import pytest

bpy = pytest.importorskip("bpy")

import addon_utils  # noqa: E402  Blender's


def traces(name: str) -> dict[str, object]:
    """All of the add-on that is to be seen in Blender, and in Python."""
    handlers = [item for kind in ("load_post", "undo_post", "redo_post") for item in getattr(bpy.app.handlers, kind)]
    return {
        "classes": [kind for kind in dir(bpy.types) if kind.lower().startswith("retac")],
        "operators": dir(bpy.ops.retac),
        "properties": hasattr(bpy.types.Scene, "retac"),
        "handlers": [item for item in handlers if item.__module__.startswith(name)],
        "threads": [thread for thread in threading.enumerate() if thread.name.startswith("retac")],
        "modules": [module for module in sys.modules if module.startswith((f"{name}.", "retac_shared"))],
    }


def nothing(found: dict[str, object], name: str) -> bool:
    found["modules"] = [module for module in found["modules"] if module != f"{name}._shared"]
    return not any(found.values())


def forget_ours(monkeypatch: pytest.MonkeyPatch) -> None:
    """A Blender in which nothing else brought retac_shared."""
    for name in [name for name in sys.modules if name.startswith("retac_shared")]:
        monkeypatch.delitem(sys.modules, name)


def test_it_leaves_nothing_behind(addon, node, monkeypatch):
    forget_ours(monkeypatch)
    addon.connect(node.address)
    tick = addon.module("inbox").tick
    path = list(sys.path)
    assert bpy.app.timers.is_registered(tick)
    addon_utils.disable(addon.name)
    assert nothing(traces(addon.name), addon.name), traces(addon.name)
    assert not bpy.app.timers.is_registered(tick)
    addon_utils.enable(addon.name)
    assert sys.path == path
    assert "retac_shared" not in sys.modules


def test_it_is_loaded_anew_when_scripts_are_reloaded(addon, node):
    addon.connect(node.address)
    before = addon.module("inbox")
    bpy.utils.load_scripts(reload_scripts=True)  # what Reload Scripts does, in a window at the end of its turn
    after = addon.module("inbox")
    assert after is not before
    assert not bpy.app.timers.is_registered(before.tick)
    assert [bpy.app.timers.is_registered(after.tick), before.talk] == [True, None]
    addon.connect(node.address)


def test_it_breaks_no_rule_of_extensions(addon, monkeypatch):
    forget_ours(monkeypatch)
    addon_utils._is_first_reset()
    assert not addon_utils._extensions_warnings_get().get(addon.name)


def test_a_mistake_while_it_registers_takes_all_back(addon, monkeypatch):
    forget_ours(monkeypatch)
    package = sys.modules[addon.name]
    addon_utils.disable(addon.name)
    monkeypatch.setattr(package, "MODULES", ("preferences", "props", "errands"))  # the last cannot register
    with pytest.raises(AttributeError):
        package.register()
    assert nothing({**traces(addon.name), "threads": []}, addon.name)
    monkeypatch.undo()
    addon_utils.enable(addon.name)


# ---- the sidebar


class Layout:
    """Stands in for Blender's layout: takes what a panel draws, and checks that what it names is there."""

    def __init__(self) -> None:
        self.texts: list[str] = []

    def row(self, **_: object) -> "Layout":
        return self

    column = box = row

    def label(self, text: str = "", icon: str = "NONE") -> None:
        self.texts.append(text)
        assert icon in bpy.types.UILayout.bl_rna.functions["label"].parameters["icon"].enum_items

    def prop(self, data: object, name: str, **_: object) -> None:
        assert name in data.bl_rna.properties

    def prop_search(self, data: object, name: str, where: object, among: str, **_: object) -> None:
        assert name in data.bl_rna.properties
        assert hasattr(where, among)

    def operator(self, name: str, **how: object) -> object:
        group, _, rest = name.partition(".")
        kind = getattr(getattr(bpy.ops, group), rest).get_rna_type()
        self.label(how.get("text", ""), how.get("icon", "NONE"))
        assert kind.description
        return SimpleNamespace()

    def operator_menu_enum(self, name: str, prop: str, **_: object) -> None:
        assert prop in getattr(bpy.ops.retac, name.partition(".")[2]).get_rna_type().properties

    def progress(self, factor: float = 0.0, **_: object) -> None:
        assert 0 <= factor <= 1

    def template_list(self, *_: object, **__: object) -> None:
        pass


def drawn(addon) -> str:
    layout, panels = Layout(), addon.module("panels")
    context = SimpleNamespace(scene=bpy.context.scene, space_data=SimpleNamespace(type="VIEW_3D"), active_object=None)
    shown = bpy.context.copy() | vars(context)
    for part in panels.PARTS:
        for draw in part[2]:
            draw(layout, SimpleNamespace(**shown))
    panels.draw_preferences(layout, addon.preferences)
    return " ".join(layout.texts)


def test_the_sidebar_begins_with_a_quick_start(addon):
    assert "Quick Start" in drawn(addon)


def test_the_sidebar_shows_node_shot_line_and_jobs(addon, node, clip):
    addon.connect(node.address)
    bpy.ops.retac.import_clip(filepath=str(clip))
    bpy.context.scene.retac.text = "hello there"
    bpy.context.scene.retac.first, bpy.context.scene.retac.last = 11, 30
    bpy.ops.retac.line()
    texts = drawn(addon)
    assert "Connected as local" in texts
    assert "hello there" in texts
    assert "Quick Start" not in texts


def test_every_button_and_every_field_has_a_tooltip(addon):
    kinds = [getattr(bpy.ops.retac, name).get_rna_type() for name in dir(bpy.ops.retac)]
    assert [kind.identifier for kind in kinds if not kind.description or kind.description.endswith(".")] == []
    fields = bpy.types.RetacScene.bl_rna.properties.values() if hasattr(bpy.types, "RetacScene") else []
    fields = fields or bpy.context.scene.retac.bl_rna.properties.values()
    shown = [item for item in fields if item.identifier not in ("rna_type", "name", "jobs")]
    assert [item.identifier for item in shown if not item.description] == []


def test_grey_buttons_say_why(addon):
    for name in ("solve", "line", "render", "simplify", "render_all"):
        with pytest.raises(RuntimeError, match=re.compile("context is incorrect|poll", re.I)) as said:
            getattr(bpy.ops.retac, name)()
        assert re.search(r"poll\(\) (?!failed)|\. |[a-z]{3} [a-z]", str(said.value))
