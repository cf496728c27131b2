"""The buttons that ask a node for something: solve a clip, speak a line, render it; and what fills in their range."""

from collections.abc import Iterator
from typing import Any

import bpy
from bpy.props import BoolProperty, EnumProperty, StringProperty
from bpy_extras.io_utils import ImportHelper

from . import arrivals, book, inbox, orders, scene
from .compat import editing_scene
from .greyed import Greyed, chosen_line, no_line, no_lines_at_all, no_plate, no_shot, not_moved
from .orders import CannotAsk, Wanted, sure
from .waiting import OVER, WAIT, Waits, sentence_of, state_of

Context, Scene = bpy.types.Context, bpy.types.Scene

# ---- solve


class RETAC_OT_solve(Greyed, Waits, bpy.types.Operator):
    bl_idname = "retac.solve"
    bl_label = "Solve"
    bl_description = (
        "Send the chosen movie strip to the node, which finds camera and head; they come back as objects with keyframes"
    )
    why_not = staticmethod(no_plate)

    def wanted(self, context: Context, into: Scene) -> Wanted:
        return orders.solve_of(into, sure(scene.plate_of(context)))


class RETAC_OT_import_clip(Waits, bpy.types.Operator, ImportHelper):
    bl_idname = "retac.import_clip"
    bl_label = "Open a Clip"
    bl_description = "Put a movie with its sound into the sequencer at the playhead, and solve it"
    filter_glob: StringProperty(default="*.mp4;*.mov;*.mkv;*.avi;*.mxf;*.webm;*.m4v", options={"HIDDEN"})
    solve: BoolProperty(name="Solve", description="Send it to the node at once", default=True)

    def invoke(self, context: Context, event: bpy.types.Event) -> set[str]:
        return ImportHelper.invoke(self, context, event)

    def execute(self, context: Context) -> set[str]:
        path, into = orders.absolute(self.filepath), editing_scene(context)
        if not path.is_file():
            self.report({"ERROR"}, f"{path} is not there; check the path")
            return {"CANCELLED"}
        try:
            scene.add_clip(into, path, into.frame_current)
        except (RuntimeError, ValueError) as error:
            self.report({"ERROR"}, f"{path.name} cannot be opened as a movie: {error}")
            return {"CANCELLED"}
        arrivals.remember(f"Re-TTAC: {self.bl_label}")
        how = "EXEC_DEFAULT" if bpy.app.background else "INVOKE_DEFAULT"
        try:
            return bpy.ops.retac.solve(how, wait=self.wait) if self.solve else {"FINISHED"}
        except RuntimeError as error:  # what that button has to say
            self.report({"ERROR"}, str(error).removeprefix("Error: ").strip())
            return {"CANCELLED"}


class RETAC_OT_match_fps(Greyed, bpy.types.Operator):
    bl_idname = "retac.match_fps"
    bl_label = "Match Frame Rate"
    bl_description = "Set the scene's frame rate to the clip's, so that picture, sound and keyframes stay together"
    bl_options = {"UNDO"}
    why_not = staticmethod(no_plate)

    def execute(self, context: Context) -> set[str]:
        scene.match_fps(editing_scene(context), scene.plate_of(context).fps)
        return {"FINISHED"}


class RETAC_OT_follow_plate(Greyed, bpy.types.Operator):
    bl_idname = "retac.follow_plate"
    bl_label = "Follow Plate"
    bl_description = "Move head, lines, markers and results to where the plate's strip was moved"
    bl_options = {"UNDO"}
    why_not = staticmethod(not_moved)

    def execute(self, context: Context) -> set[str]:
        into = editing_scene(context)
        scene.follow_plate(into, scene.shot_of(into.retac.head))
        return {"FINISHED"}


# ---- a new line


class RETAC_OT_line(Greyed, Waits, bpy.types.Operator):
    bl_idname = "retac.line"
    bl_label = "Synthesize"
    bl_description = "Have the line spoken in the person's voice; sound, words and curves come back to be edited"
    why_not = staticmethod(no_shot)

    def wanted(self, context: Context, into: Scene) -> Wanted:
        return orders.line_of(into, sure(scene.shot_of(into.retac.head)))


class RETAC_OT_set_range(Greyed, bpy.types.Operator):
    bl_idname = "retac.set_range"
    bl_label = "Range"
    bl_description = "Fill in the frames that are replaced"
    bl_options = {"UNDO"}
    why_not = staticmethod(no_shot)
    source: EnumProperty(
        items=[
            ("FIRST", "First = Playhead", "The range begins at the playhead"),
            ("LAST", "Last = Playhead", "The range ends at the playhead"),
            ("PREVIEW", "Preview Range", "Take the timeline's preview range (P and drag in the sequencer)"),
            ("PLATE", "Whole Plate", "Take all of the plate that is shown"),
        ]
    )

    @classmethod
    def description(cls, context: Context, properties: Any) -> str:
        return cls.bl_rna.properties["source"].enum_items[properties.source].description

    def execute(self, context: Context) -> set[str]:
        into = editing_scene(context)
        try:
            first, last = RANGES[self.source](context, into)
        except CannotAsk as error:
            self.report({"ERROR"}, str(error))
            return {"CANCELLED"}
        into.retac.first, into.retac.last, into.retac.ranged = first, last, True
        return {"FINISHED"}


def preview_range(context: Context, into: Scene) -> tuple[int, int]:
    if not into.use_preview_range:
        raise CannotAsk("there is no preview range; press P in the sequencer or the timeline and drag one")
    return into.frame_preview_start, into.frame_preview_end


def plate_range(context: Context, into: Scene) -> tuple[int, int]:
    plate = sure(scene.plate_of(context))
    return plate.first, plate.last - 1


RANGES = {
    "FIRST": lambda context, into: (into.frame_current, max(into.frame_current, into.retac.last)),
    "LAST": lambda context, into: (min(into.frame_current, into.retac.first), into.frame_current),
    "PREVIEW": preview_range,
    "PLATE": plate_range,
}  # what the range is taken from -> first and last frame


# ---- render


class RETAC_OT_render(Greyed, Waits, bpy.types.Operator):
    bl_idname = "retac.render"
    bl_label = "Render"
    bl_description = "Make the shot say the line, with the curves as they are now; unchanged work is not done again"
    why_not = staticmethod(no_line)
    line: StringProperty(
        name="Line",
        description="Number of the line; empty: the one that is edited, or the newest",
        options={"SKIP_SAVE"},
    )

    def wanted(self, context: Context, into: Scene) -> Wanted:
        shot = sure(scene.shot_of(into.retac.head))
        return orders.render_of(into, shot, self.line or chosen_line(into, shot))


class RETAC_OT_render_all(Greyed, bpy.types.Operator):
    bl_idname = "retac.render_all"
    bl_label = "Render All Shots"
    bl_description = (
        "Queue the newest line of every shot of the file; the node works them off one after the other. "
        "A shot whose head is switched off for renders is left out"
    )
    why_not = staticmethod(no_lines_at_all)
    wait: WAIT
    save: BoolProperty(
        name="Save",
        description="Save the file when all results are in it, even where a shot failed (scripts)",
        options={"SKIP_SAVE", "HIDDEN"},
    )

    def execute(self, context: Context) -> set[str]:
        if inbox.connect() is None:
            self.report({"ERROR"}, inbox.trouble)
            return {"CANCELLED"}
        jobs, left = [], []
        for into, shot in marked():
            try:
                jobs.append(orders.ask(into, orders.render_of(into, shot, shot.lines[-1].key)))
            except CannotAsk as error:
                left.append(f"{shot.name}: {error}")
        arrivals.remember(f"Re-TTAC: {self.bl_label}")
        if self.wait:
            left += waited_for(jobs)
        if self.wait and self.save:
            bpy.ops.wm.save_mainfile()
        if left:
            self.report({"ERROR"}, "; ".join(left))
        return {"FINISHED"} if jobs else {"CANCELLED"}


def marked() -> Iterator[tuple[Scene, Any]]:
    """Gives the shots of the file that have a line and are not switched off for renders, with their scenes."""
    for into in book.scenes():
        yield from ((into, shot) for shot in scene.shots(into) if shot.lines and not shot.head.hide_render)


def waited_for(jobs: list[str]) -> list[str]:
    """Waits until all of them have ended; gives a sentence for each that was not placed."""
    inbox.wait(lambda: all(state_of(job) in OVER for job in jobs))
    return [f"{job[:8]}: {sentence_of(job)}" for job in jobs if state_of(job) != "placed"]


CLASSES = (
    RETAC_OT_solve,
    RETAC_OT_import_clip,
    RETAC_OT_match_fps,
    RETAC_OT_follow_plate,
    RETAC_OT_line,
    RETAC_OT_set_range,
    RETAC_OT_render,
    RETAC_OT_render_all,
)
register, unregister = bpy.utils.register_classes_factory(CLASSES)
