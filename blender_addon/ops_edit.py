"""The buttons that change curves: thin operators over scene.py's edits.  Never talk to a node."""

from collections.abc import Callable
from typing import Any

import bpy
from bpy.props import EnumProperty, FloatProperty, IntProperty, StringProperty

from . import scene
from .compat import editing_scene
from .greyed import Greyed, chosen_line, no_line, no_shot

STEP = 0.02  # seconds of a turn of a long edit
GROUPS = [(name, name, "") for name in scene.GROUPS]
VISEMES = [(name, name, "") for name in scene.VISEMES]


class OnLine(Greyed):
    """Mixin: works on a line of the chosen shot."""

    why_not = staticmethod(no_line)

    def shot(self, context: bpy.types.Context) -> Any:
        return scene.shot_of(editing_scene(context).retac.head)

    def done(self, work: Callable[[], object]) -> set[str]:
        """Does it; a sentence of its own says what it could not do."""
        try:
            work()
        except ValueError as error:
            self.report({"ERROR"}, str(error))
            return {"CANCELLED"}
        return {"FINISHED"}


class Edit(OnLine):
    """Mixin: changes curves in one undo step, in the `steps` that it gives: a long one goes on turn by turn, Esc ends it."""

    bl_options = {"REGISTER", "UNDO"}

    def steps(self, context: bpy.types.Context) -> scene.Steps:
        raise NotImplementedError

    def execute(self, context: bpy.types.Context) -> set[str]:
        return self.done(lambda: scene.finish(self.steps(context)))

    def invoke(self, context: bpy.types.Context, event: bpy.types.Event) -> set[str]:
        if bpy.app.background:
            return self.execute(context)
        self.work, self.stopped = self.steps(context), False
        result = self.go_on(context)
        if result == {"RUNNING_MODAL"}:
            self.timer = context.window_manager.event_timer_add(0.01, window=context.window)
            context.window_manager.modal_handler_add(self)
        return result

    def go_on(self, context: bpy.types.Context) -> set[str]:
        try:
            share = scene.for_a_while(self.work, STEP)
        except StopIteration:
            return {"CANCELLED"} if self.stopped else {"FINISHED"}
        except ValueError as error:
            self.report({"ERROR"}, str(error))
            return {"CANCELLED"}
        context.workspace.status_text_set(f"Re-TTAC: {self.bl_label} {share:.0%}   (Esc: cancel)")
        return {"RUNNING_MODAL"}

    def modal(self, context: bpy.types.Context, event: bpy.types.Event) -> set[str]:
        if event.type == "ESC" and not self.stopped:
            self.stopped, self.work = True, scene.stopping(self.work)
        if event.type != "TIMER":
            return {"RUNNING_MODAL"} if event.type in {"ESC", "LEFTMOUSE", "Z"} else {"PASS_THROUGH"}
        result = self.go_on(context)
        if result != {"RUNNING_MODAL"}:
            self.leave(context)
        return result

    def cancel(self, context: bpy.types.Context) -> None:
        scene.finish(scene.stopping(self.work))
        self.leave(context)

    def leave(self, context: bpy.types.Context) -> None:
        context.window_manager.event_timer_remove(self.timer)
        context.workspace.status_text_set(None)


class Ranged(Edit):
    """Mixin: works on a range of frames; a button takes the preview range, or the line's."""

    first: IntProperty(name="First", description="First frame that is changed")
    last: IntProperty(name="Last", description="Last frame that is changed")

    def invoke(self, context: bpy.types.Context, event: bpy.types.Event) -> set[str]:
        into = editing_scene(context)
        if into.use_preview_range:
            self.first, self.last = into.frame_preview_start, into.frame_preview_end
        else:
            lines = {line.key: line for line in self.shot(context).lines}
            line = lines[chosen_line(into, self.shot(context))]
            self.first, self.last = line.first, line.last - 1
        return super().invoke(context, event)


class RETAC_OT_simplify(Edit, bpy.types.Operator):
    bl_idname = "retac.simplify"
    bl_label = "Simplify Curves"
    bl_description = (
        "Replace the key on every frame by few keys with handles; Restore brings the others back. Esc stops it"
    )
    tolerance: FloatProperty(
        name="Tolerance", description="How far a curve may stray, 1 is hardly seen", default=1.0, min=0.01, max=20.0
    )

    def steps(self, context: bpy.types.Context) -> scene.Steps:
        return scene.simplifying(self.shot(context), self.tolerance)


class RETAC_OT_restore(Edit, bpy.types.Operator):
    bl_idname = "retac.restore"
    bl_label = "Restore Curves"
    bl_description = "Bring back the curves as they were before they were simplified"

    def steps(self, context: bpy.types.Context) -> scene.Steps:
        return scene.restoring(self.shot(context))


class RETAC_OT_offset_scale(Ranged, bpy.types.Operator):
    bl_idname = "retac.offset_scale"
    bl_label = "Offset and Scale"
    bl_description = "Add to a group of channels over a range, or scale its movement; it eases in and out at the ends"
    group: EnumProperty(name="Channels", description="Which channels are changed", items=GROUPS)
    offset: FloatProperty(name="Offset", description="Is added: degrees, centimetres, or activation", default=0.0)
    scale: FloatProperty(name="Scale", description="Multiplies the movement about its mean", default=1.0)

    def steps(self, context: bpy.types.Context) -> scene.Steps:
        values = self.group, self.first, self.last, self.offset, self.scale
        return scene.offsetting(self.shot(context), *values)


class RETAC_OT_ease(Edit, bpy.types.Operator):
    bl_idname = "retac.ease"
    bl_label = "Ease Ends"
    bl_description = "Let the line grow out of the plate's own movement and back into it, over some frames at both ends"
    frames: IntProperty(name="Frames", description="Over which it eases, at each end", default=6, min=1, max=200)

    def steps(self, context: bpy.types.Context) -> scene.Steps:
        return scene.easing(self.shot(context), self.frames)


class RETAC_OT_copy_pose(Ranged, bpy.types.Operator):
    bl_idname = "retac.copy_pose"
    bl_label = "Copy Pose from Source"
    bl_description = "Give the head the moves of the plate over a range"

    def steps(self, context: bpy.types.Context) -> scene.Steps:
        return scene.copying_pose(self.shot(context), self.first, self.last)


class RETAC_OT_nudge_viseme(Edit, bpy.types.Operator):
    bl_idname = "retac.nudge_viseme"
    bl_label = "Nudge Viseme"
    bl_description = "Make a mouth shape stronger or weaker at the playhead"
    viseme: EnumProperty(name="Shape", description="The mouth's shape", items=VISEMES)
    amount: FloatProperty(name="Amount", description="Is added to it; below 0: weaker", default=0.2, min=-1.0, max=1.0)
    falloff: IntProperty(
        name="Falloff", description="Frames to both sides over which it fades", default=3, min=0, max=50
    )

    def steps(self, context: bpy.types.Context) -> scene.Steps:
        values = editing_scene(context).frame_current, self.viseme, self.amount, self.falloff
        return scene.nudging(self.shot(context), *values)


# ---- lines


class RETAC_OT_edit_line(OnLine, bpy.types.Operator):
    bl_idname = "retac.edit_line"
    bl_label = "Edit Line"
    bl_description = "Open the line's curves for the Graph Editor and the Dope Sheet"
    bl_options = {"UNDO"}
    line: StringProperty(options={"SKIP_SAVE"})

    def execute(self, context: bpy.types.Context) -> set[str]:
        retac, shot = editing_scene(context).retac, self.shot(context)
        retac.line = self.line or chosen_line(editing_scene(context), shot)
        return self.done(lambda: scene.edit_line(shot, retac.line))


class RETAC_OT_compare(OnLine, bpy.types.Operator):
    bl_idname = "retac.compare"
    bl_label = "Compare with the Plate"
    bl_description = "Blend between what the plate does, 0, and the line, 1"
    bl_options = {"REGISTER", "UNDO"}
    line: StringProperty(options={"SKIP_SAVE"})
    influence: FloatProperty(name="Influence", description="0: the plate, 1: the line", default=1.0, min=0.0, max=1.0)

    def execute(self, context: bpy.types.Context) -> set[str]:
        shot = self.shot(context)
        key = self.line or chosen_line(editing_scene(context), shot)
        return self.done(lambda: scene.compare(shot, key, self.influence))


class RETAC_OT_remove_line(OnLine, bpy.types.Operator):
    bl_idname = "retac.remove_line"
    bl_label = "Remove Line"
    bl_description = "Take the line's sound, markers, curves and result out of the scene"
    bl_options = {"UNDO"}
    line: StringProperty(options={"SKIP_SAVE"})

    def execute(self, context: bpy.types.Context) -> set[str]:
        shot = self.shot(context)
        key = self.line or chosen_line(editing_scene(context), shot)

        def remove() -> None:
            scene.remove_result(editing_scene(context), key)
            scene.remove_line(editing_scene(context), shot, key)

        return self.done(remove)


class RETAC_OT_overlay(Greyed, bpy.types.Operator):
    bl_idname = "retac.overlay"
    bl_label = "Head over Plate"
    bl_description = "Show the head over the plate in this view, live, as it would be drawn; press again to leave"
    why_not = staticmethod(no_shot)
    mix: FloatProperty(name="Mix", description="0: the plate alone, 1: the head alone", default=0.6, min=0.0, max=1.0)

    @classmethod
    def poll(cls, context: bpy.types.Context) -> bool:
        if context.space_data is None or context.space_data.type != "VIEW_3D":
            cls.poll_message_set("Press this in a 3D view")
            return False
        return super().poll(context)

    def execute(self, context: bpy.types.Context) -> set[str]:
        space = context.space_data
        if scene.has_overlay(space):
            scene.overlay_off(space)
        else:
            scene.overlay(space, scene.shot_of(editing_scene(context).retac.head), self.mix)
        return {"FINISHED"}


CLASSES = (
    RETAC_OT_simplify,
    RETAC_OT_restore,
    RETAC_OT_offset_scale,
    RETAC_OT_ease,
    RETAC_OT_copy_pose,
    RETAC_OT_nudge_viseme,
    RETAC_OT_edit_line,
    RETAC_OT_compare,
    RETAC_OT_remove_line,
    RETAC_OT_overlay,
)
register, unregister = bpy.utils.register_classes_factory(CLASSES)
