"""The buttons of a job in the list: cancel, resume, place again, show its page, forget."""

from pathlib import Path
from typing import Any

import bpy
from bpy.props import StringProperty

from . import book, inbox
from .compat import editing_scene
from .orders import CannotAsk
from .waiting import Waits


class OfJob:
    """Mixin: works on the job of that number, or on the one chosen in the list."""

    job: StringProperty(
        name="Job", description="Number of the job; empty: the one chosen in the list", options={"SKIP_SAVE"}
    )

    @classmethod
    def poll(cls, context: bpy.types.Context) -> bool:
        if not editing_scene(context).retac.jobs:
            cls.poll_message_set("This scene has no jobs")
            return False
        return True

    def chosen(self, context: bpy.types.Context) -> tuple[bpy.types.Scene, Any] | None:
        retac = editing_scene(context).retac
        if self.job:
            return book.find(self.job)
        return (editing_scene(context), retac.jobs[retac.job]) if 0 <= retac.job < len(retac.jobs) else None

    def nothing(self) -> set[str]:
        self.report({"ERROR"}, "there is no such job in this file")
        return {"CANCELLED"}


class RETAC_OT_cancel(OfJob, bpy.types.Operator):
    bl_idname = "retac.cancel"
    bl_label = "Cancel"
    bl_description = "Stop the job; what was finished is kept, Resume goes on from there"

    def execute(self, context: bpy.types.Context) -> set[str]:
        found = self.chosen(context)
        if found is None:
            return self.nothing()
        inbox.cancel(found[1].name)
        return {"FINISHED"}


class RETAC_OT_resume(OfJob, Waits, bpy.types.Operator):
    bl_idname = "retac.resume"
    bl_label = "Resume"
    bl_description = "Put a job that failed or was cancelled into the node's queue again"

    def ask(self, context: bpy.types.Context) -> str:
        _, entry = follow(self.chosen(context))
        inbox.talk.errands.resume(entry.name)
        entry.state = "open"
        return entry.name


class RETAC_OT_place(OfJob, Waits, bpy.types.Operator):
    bl_idname = "retac.place"
    bl_label = "Place Again"
    bl_description = "Put the result of a finished job into the scene once more"

    def ask(self, context: bpy.types.Context) -> str:
        _, entry = follow(self.chosen(context))
        entry.state = "open"
        inbox.place(entry.name)
        return entry.name


class RETAC_OT_forget(OfJob, bpy.types.Operator):
    bl_idname = "retac.forget"
    bl_label = "Remove from the List"
    bl_description = "Forget the job; what it brought stays, and one that runs goes on at the node"

    def execute(self, context: bpy.types.Context) -> set[str]:
        found = self.chosen(context)
        if found is None:
            return self.nothing()
        job = found[1].name
        if inbox.talk is not None:
            inbox.talk.errands.forget(job)
        book.forget(found[0], job)
        return {"FINISHED"}


class RETAC_OT_report(OfJob, bpy.types.Operator):
    bl_idname = "retac.report"
    bl_label = "Open Report"
    bl_description = "Show the page that says what was made and measured, in the browser"

    def execute(self, context: bpy.types.Context) -> set[str]:
        found = self.chosen(context)
        if found is None:
            return self.nothing()
        page = book.result(found[1], "report.html")
        if not page.is_file():
            self.report({"ERROR"}, "this job has no report; it comes with a rendered shot")
            return {"CANCELLED"}
        bpy.ops.wm.url_open(url=Path(page).as_uri())
        return {"FINISHED"}


def follow(found: tuple[bpy.types.Scene, Any] | None) -> tuple[bpy.types.Scene, Any]:
    """Sees to it that the connection knows the job.  Raises CannotAsk."""
    if found is None:
        raise CannotAsk("there is no such job in this file")
    entry = found[1]
    if entry.address != inbox.talk.address:
        raise CannotAsk(f"this job was asked of the node at {entry.address}; set that address in the preferences")
    if inbox.errand(entry.name) is None:
        inbox.talk.errands.begin(book.asked_of(entry))
    return found


CLASSES = (RETAC_OT_cancel, RETAC_OT_resume, RETAC_OT_place, RETAC_OT_forget, RETAC_OT_report)
register, unregister = bpy.utils.register_classes_factory(CLASSES)
