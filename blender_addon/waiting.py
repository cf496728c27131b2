"""How operators wait for a job: scripts until its result is placed; artists not at all, they see it go on and Esc ends it.

Both ways ask for the same job.
"""

from typing import Any

import bpy
from bpy.props import BoolProperty

from . import arrivals, book, inbox, orders
from .compat import editing_scene
from .orders import CannotAsk

LOOK = 0.1  # seconds between two looks of a modal operator


OVER = ("placed", "failed", "cancelled", "")  # states of an entry; "": there is none
WAIT = BoolProperty(
    name="Wait",
    description="Return when the result is in the scene (scripts); off: at once, the result comes by itself",
    default=True,
    options={"SKIP_SAVE", "HIDDEN"},
)


class Waits:
    """Mixin of operators that begin a job: what they want, `wanted` gives, or raises CannotAsk."""

    wait: WAIT

    def wanted(self, context: bpy.types.Context, into: bpy.types.Scene) -> orders.Wanted:
        raise NotImplementedError

    def ask(self, context: bpy.types.Context) -> str:
        """Begins the job; gives its number.  Raises CannotAsk."""
        into = editing_scene(context)
        return orders.ask(into, self.wanted(context, into))

    def execute(self, context: bpy.types.Context) -> set[str]:
        try:
            job = self.begin(context)
        except CannotAsk as error:
            self.report({"ERROR"}, str(error))
            return {"CANCELLED"}
        return self.wait_for(job) if self.wait else {"FINISHED"}

    def begin(self, context: bpy.types.Context) -> str:
        if inbox.connect() is None:
            raise CannotAsk(inbox.trouble)
        job = self.ask(context)
        arrivals.remember(f"Re-TTAC: {self.bl_label}")
        inbox.redraw()
        return job

    def wait_for(self, job: str) -> set[str]:
        manager = bpy.context.window_manager
        manager.progress_begin(0, 100)
        try:
            inbox.wait(lambda: show_progress(manager, job) in OVER)
        finally:
            manager.progress_end()
        state = state_of(job)
        if state == "placed":
            return {"FINISHED"}
        self.report({"ERROR"}, sentence_of(job) or f"the job was {state or 'forgotten'}")
        return {"CANCELLED"}

    # ---- with a window

    def invoke(self, context: bpy.types.Context, event: bpy.types.Event) -> set[str]:
        if bpy.app.background:
            return self.execute(context)
        try:
            self.job = self.begin(context)
        except CannotAsk as error:
            self.report({"ERROR"}, str(error))
            return {"CANCELLED"}
        manager = context.window_manager
        self.timer = manager.event_timer_add(LOOK, window=context.window)
        manager.modal_handler_add(self)
        Waits.newest = self.job
        return {"RUNNING_MODAL"}

    newest = ""  # the job that was begun last; Esc is for this one

    def modal(self, context: bpy.types.Context, event: bpy.types.Event) -> set[str]:
        if inbox.talk is None:  # the add-on is being disabled
            return self.leave(context, {"CANCELLED"})
        state = state_of(self.job)
        if state in OVER:
            if state == "failed":
                self.report({"ERROR"}, sentence_of(self.job))
            return self.leave(context, {"FINISHED"})
        if event.type == "ESC" and event.value == "PRESS" and self.is_meant(context):
            inbox.cancel(self.job)
            self.report({"INFO"}, "Cancelled; what was finished is kept, Resume goes on from there")
            return {"RUNNING_MODAL"}
        if event.type == "TIMER" and Waits.newest == self.job:
            context.workspace.status_text_set(line_of(self.job))
        return {"PASS_THROUGH"}

    def is_meant(self, context: bpy.types.Context) -> bool:
        """Tells whether Esc is for this job: not for playback, and not for one that was begun before another."""
        playing = any(window.screen.is_animation_playing for window in context.window_manager.windows)
        return inbox.escapes() and not playing and Waits.newest == self.job

    def cancel(self, context: bpy.types.Context) -> None:
        self.leave(context, {"CANCELLED"})

    def leave(self, context: bpy.types.Context, result: set[str]) -> set[str]:
        context.window_manager.event_timer_remove(self.timer)
        if Waits.newest == self.job:
            context.workspace.status_text_set(None)
        return result


def state_of(job: str) -> str:
    """Gives the state of a job's entry, "" where there is none."""
    found = book.find(job)
    return found[1].state if found else ""


def sentence_of(job: str) -> str:
    errand = inbox.errand(job)
    return errand.words if errand else ""


def line_of(job: str) -> str:
    """Tells in a line how far a job is."""
    errand: Any = inbox.errand(job)
    if errand is None:
        return "Re-TTAC"
    label = errand.asked.label
    return f"Re-TTAC: {label}: {errand.state} {errand.fraction:.0%} {errand.words}   (Esc: cancel)"


def show_progress(manager: bpy.types.WindowManager, job: str) -> str:
    errand = inbox.errand(job)
    manager.progress_update(errand.fraction * 100 if errand else 0)
    return state_of(job)
