"""The sidebar: what stands where and why a button is grey.  Never changes anything.

The same panels stand in the 3D view, the sequencer and the curve editors: the artist stays where the work is.
"""

from collections.abc import Callable
from typing import Any

import bpy

from . import inbox, localnode, scene, sound
from .compat import editing_scene
from .greyed import chosen_line

CATEGORY = "Re-TTAC"
STATES = {"connected": "LINKED", "connecting": "SORTTIME", "refused": "ERROR"}
JOB_ICONS = {
    "sending": "EXPORT",
    "submitting": "SORTTIME",
    "queued": "SORTTIME",
    "running": "PLAY",
    "fetching": "IMPORT",
    "done": "CHECKMARK",
    "placed": "CHECKMARK",
    "failed": "ERROR",
    "cancelled": "X",
    "open": "SORTTIME",
}
UNDER_WAY = ("sending", "submitting", "queued", "running", "fetching")
QUICK_START = (
    "1. Put a clip of a person talking into",
    "    the sequencer, or open one here",
    "2. Solve: camera and head come back",
    "3. Choose a range, type the line,",
    "    Synthesize: voice and curves come back",
    "4. Bend the curves as you like",
    "5. Render: the shot lands above the plate",
)
WIDTH = 42  # characters of a sentence in a line of the sidebar


# ---- the node


def draw_link(layout: Any, context: bpy.types.Context) -> None:
    link, local = inbox.link(), localnode.running()
    row = layout.row(align=True)
    row.label(text=said(link), icon=STATES[link.state])
    row.operator("retac.connect", text="", icon="FILE_REFRESH")
    if link.welcome is not None:
        layout.label(text=queue(inbox.figures()) + ", " + machine(link.welcome.devices), icon="NODE_COMPOSITING")
    elif failed := localnode.failure():
        sentence(layout, f"Local node: {failed}")
    elif link.sentence and not local:
        sentence(layout, link.sentence)
    if local:
        layout.operator("retac.stop_node", icon="CANCEL")
    elif link.state != "connected":
        layout.operator("retac.start_node", icon="DESKTOP")


def said(link: Any) -> str:
    if link.welcome is not None:
        return f"Connected as {link.welcome.owner}"
    if localnode.running():
        return "Local node is starting"
    return {"connecting": "Not connected", "refused": "Cannot connect"}[link.state]


def queue(figures: dict[str, float]) -> str:
    """Says how many jobs run and wait at the node."""
    running, waiting = (int(figures.get(f"retac_jobs_now_{name}", 0)) for name in ("running", "queued"))
    return f"{running} running, {waiting} waiting" if running or waiting else "idle"


def machine(devices: tuple[str, ...]) -> str:
    gpus = sum(name.startswith("cuda") for name in devices)
    return f"{gpus} GPU{'s' * (gpus > 1)}" if gpus else "CPU"


def draw_preferences(layout: Any, settings: Any) -> None:
    column = layout.column()
    column.use_property_split = True
    for name in ("address", "key_file", "program", "folder", "escape"):
        column.prop(settings, name)
    draw_link(layout.box(), bpy.context)


# ---- the shot


def draw_shot(layout: Any, context: bpy.types.Context) -> None:
    retac = editing_scene(context).retac
    plate = scene.plate_of(context)
    if retac.head is None:
        box = layout.box().column(align=True)
        box.label(text="Quick Start", icon="INFO")
        for line in QUICK_START:
            box.label(text=line)
    else:
        layout.prop(retac, "head")
    if isinstance(plate, str):
        sentence(layout, plate)
    else:
        layout.label(text=plate.strip, icon="FILE_MOVIE")
        if scene.fps_differs(editing_scene(context), plate):
            sentence(layout, f"The clip has {plate.fps:g} frames a second and the scene another rate", "ERROR")
            layout.operator("retac.match_fps")
    if (shot := shot_of(context)) is not None and (away := scene.moved(editing_scene(context), shot)):
        sentence(layout, f"The plate was moved by {away} frames since it was solved")
        layout.operator("retac.follow_plate")
    row = layout.row(align=True)
    row.operator("retac.solve", text="Solve" if retac.head is None else "Solve Again", icon="CAMERA_DATA")
    row.operator("retac.import_clip", text="", icon="FILEBROWSER")
    if retac.head is not None and context.space_data.type == "VIEW_3D":
        layout.operator("retac.overlay", icon="OVERLAY")


def draw_person(layout: Any, context: bpy.types.Context) -> None:
    split(layout, editing_scene(context).retac, "subject", "lens")


# ---- a line


def draw_line(layout: Any, context: bpy.types.Context) -> None:
    retac = editing_scene(context).retac
    layout.row().prop(retac, "source", expand=True)
    if retac.source == "TEXT":
        layout.prop(retac, "text", text="", icon="OUTLINER_DATA_FONT")
        layout.prop(retac, "voice")
    elif sound.strips(editing_scene(context)):
        layout.prop_search(
            retac,
            "sound",
            editing_scene(context).sequence_editor,
            scene.strips_name(editing_scene(context)),
            icon="SOUND",
        )
    else:
        sentence(layout, "There is no sound strip in the sequencer")
    layout.prop(retac, "ranged")
    if retac.ranged:
        row = layout.row(align=True)
        for name, source in (("first", "FIRST"), ("last", "LAST")):
            row.prop(retac, name)
            row.operator(
                "retac.set_range", text="", icon="TRIA_RIGHT" if name == "first" else "TRIA_LEFT"
            ).source = source
        row = layout.row(align=True)
        row.operator("retac.set_range", text="Preview Range").source = "PREVIEW"
        row.operator("retac.set_range", text="Whole Plate").source = "PLATE"
    split(layout, retac, "pose", "seed")
    layout.operator("retac.line", icon="OUTLINER_OB_SPEAKER")


def draw_lines(layout: Any, context: bpy.types.Context) -> None:
    shot = shot_of(context)
    if shot is None or not shot.lines:
        return
    chosen = chosen_line(editing_scene(context), shot)
    column = layout.box().column(align=True)
    for line in shot.lines:
        row = column.row(align=True)
        row.operator("retac.edit_line", text=line.label or line.key[:8], depress=line.key == chosen).line = line.key
        row.operator("retac.remove_line", text="", icon="X").line = line.key
    row = layout.row(align=True)
    row.label(text="Compare")
    for text, influence in (("Plate", 0.0), ("Half", 0.5), ("Line", 1.0)):
        button = row.operator("retac.compare", text=text)
        button.line, button.influence = chosen, influence


# ---- curves


def draw_edit(layout: Any, context: bpy.types.Context) -> None:
    column = layout.column(align=True)
    column.operator("retac.offset_scale", icon="FULLSCREEN_ENTER")
    column.operator("retac.copy_pose", icon="COPYDOWN")
    column.operator("retac.ease", icon="IPO_EASE_IN_OUT")
    column.operator_menu_enum("retac.nudge_viseme", "viseme", text="Nudge Viseme at the Playhead", icon="SHAPEKEY_DATA")
    row = layout.row(align=True)
    row.operator("retac.simplify", text="Simplify", icon="NORMALIZE_FCURVES")
    row.operator("retac.restore", text="Restore", icon="LOOP_BACK")


# ---- pictures


def draw_render(layout: Any, context: bpy.types.Context) -> None:
    retac = editing_scene(context).retac
    layout.row().prop(retac, "quality", expand=True)
    row = layout.row(align=True)
    row.prop(retac, "mute", toggle=True)
    row.prop(retac, "matte", toggle=True)
    row.prop(retac, "frames", toggle=True, text="PNG")
    row = layout.row(align=True)
    row.operator("retac.render", icon="RENDER_ANIMATION")
    row.operator("retac.render_all", text="All Shots").wait = False


def draw_more(layout: Any, context: bpy.types.Context) -> None:
    split(layout, editing_scene(context).retac, "minutes", "consent")


# ---- jobs


class RETAC_UL_jobs(bpy.types.UIList):
    def draw_item(self, context, layout, data, item, icon, active_data, active_name, index=0, flt_flag=0) -> None:
        errand = inbox.errand(item.name)
        state = state_of(item, errand)
        row = layout.row(align=True)
        if state in UNDER_WAY:
            row.progress(factor=errand.fraction, type="RING", text=f"{item.goal}  {item.label}")
            row.operator("retac.cancel", text="", icon="X", emboss=False).job = item.name
        else:
            row.label(text=f"{item.goal}  {item.label}", icon=JOB_ICONS[state])


def draw_jobs(layout: Any, context: bpy.types.Context) -> None:
    retac = editing_scene(context).retac
    if not retac.jobs:
        layout.label(text="No jobs yet", icon="INFO")
        return
    layout.template_list("RETAC_UL_jobs", "", retac, "jobs", retac, "job", rows=3)
    if not 0 <= retac.job < len(retac.jobs):
        return
    item = retac.jobs[retac.job]
    errand = inbox.errand(item.name)
    state = state_of(item, errand)
    if state in UNDER_WAY:
        layout.progress(factor=errand.fraction, type="BAR", text=f"{state} {errand.fraction:.0%}")
        sentence(layout, errand.words, "NONE")
    else:
        layout.label(text=state.title(), icon=JOB_ICONS[state])
        if errand is not None and errand.error:
            sentence(layout, errand.words)
        elif state == "open" and item.address != inbox.address():
            sentence(layout, f"It is at the node {item.address}; set that address in the preferences")
    for warning in errand.warnings if errand is not None else ():
        sentence(layout, warning)
    row = layout.row(align=True)
    if state in UNDER_WAY:
        row.operator("retac.cancel").job = item.name
    elif state in ("failed", "cancelled"):
        row.operator("retac.resume").job = item.name
    else:
        row.operator("retac.place").job = item.name
        row.operator("retac.report", text="Report").job = item.name
    row.operator("retac.forget", text="", icon="TRASH").job = item.name


def state_of(item: Any, errand: Any) -> str:
    """Gives the state that is shown: what the node told last, or what the file says."""
    return errand.state if errand is not None and item.state == "open" else str(item.state)


# ---- parts of it


def shot_of(context: bpy.types.Context) -> Any:
    head = editing_scene(context).retac.head
    shot = scene.shot_of(head) if head is not None else ""
    return None if isinstance(shot, str) else shot


def split(layout: Any, data: Any, *names: str) -> None:
    column = layout.column(align=True)
    column.use_property_split, column.use_property_decorate = True, False
    for name in names:
        column.prop(data, name)


def sentence(layout: Any, text: str, icon: str = "ERROR") -> None:
    """Writes a sentence in as many lines as it needs."""
    column, line = layout.column(align=True), ""
    column.scale_y = 0.8
    for word in [*text.split(), ""]:
        if line and (not word or len(line) + len(word) >= WIDTH):
            column.label(text=line, icon=icon)
            line, icon = "", "BLANK1"
        line = f"{line} {word}".strip()


Draw = Callable[[Any, bpy.types.Context], None]
PARTS: tuple[tuple[str, str, tuple[Draw, ...], bool, str], ...] = (
    ("node", "Node", (draw_link,), False, ""),
    ("shot", "Shot", (draw_shot,), False, ""),
    ("person", "Person and Lens", (draw_person,), True, "shot"),
    ("line", "New Line", (draw_line, draw_lines), False, ""),
    ("edit", "Edit Curves", (draw_edit,), True, ""),
    ("render", "Render", (draw_render,), False, ""),
    ("more", "Training and Consent", (draw_more,), True, "render"),
    ("jobs", "Jobs", (draw_jobs,), False, ""),
)  # name, title, what it shows, whether it is closed at first, the part that it stands in
SPACES = {"VIEW_3D": "v3d", "SEQUENCE_EDITOR": "seq", "GRAPH_EDITOR": "graph", "DOPESHEET_EDITOR": "dope"}


def panel(space: str, name: str, title: str, draws: tuple[Draw, ...], closed: bool, within: str) -> type:
    def draw(self: bpy.types.Panel, context: bpy.types.Context) -> None:
        for part in draws:
            part(self.layout, context)

    named = {
        "bl_idname": f"RETAC_PT_{name}_{SPACES[space]}",
        "bl_label": title,
        "bl_space_type": space,
        "bl_region_type": "UI",
        "bl_category": CATEGORY,
        "bl_options": {"DEFAULT_CLOSED"} if closed else set(),
        "draw": draw,
    }
    if within:
        named["bl_parent_id"] = f"RETAC_PT_{within}_{SPACES[space]}"
    return type(named["bl_idname"], (bpy.types.Panel,), named)


CLASSES = (RETAC_UL_jobs, *(panel(space, *part) for space in SPACES for part in PARTS))
register, unregister = bpy.utils.register_classes_factory(CLASSES)
