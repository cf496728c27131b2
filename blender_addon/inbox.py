"""The connection while Blender runs: a timer that drains the client's replies within a budget and hands on what follows.

The only file that knows the Client object.  Everything here is called by Blender's main thread.
"""

import time
from collections import deque
from collections.abc import Callable
from pathlib import Path

import bpy
from retac_shared.access import BadAddress, checked_address
from retac_shared.client import Client
from retac_shared.inbox import Link
from retac_shared.messages import Metrics

from . import arrivals, book, localnode
from .errands import Errands, News
from .preferences import preferences

BUDGET = 0.005  # seconds of a tick for replies
STEP = 0.015  # seconds of a tick for building what arrived
EAGER, LAZY = 0.05, 0.4  # seconds between ticks, while something is under way and while not
ASK = 4.0  # seconds between two looks at the node's queue
AREAS = {"VIEW_3D", "SEQUENCE_EDITOR", "PREFERENCES", "GRAPH_EDITOR", "DOPESHEET_EDITOR"}


class Talk:
    """A connection and what goes over it."""

    def __init__(self, address: str, key: Path | None) -> None:
        self.address = address
        self.client = Client(address, key, f"Blender {bpy.app.version_string}")
        self.errands = Errands(self.client)
        self.arrived: deque[str] = deque()  # jobs that ended
        self.previews: dict[str, list[Path]] = {}  # job -> pictures that are not shown yet
        self.figures: dict[str, float] = {}  # of the node, its own names
        self.asked = 0.0  # when it was last asked for them
        self.seen = Link("connecting")


talk: Talk | None = None
trouble = ""  # why there is no connection at all


# ---- open and close


def connect() -> Talk | None:
    """Gives the connection, opened now where there is none; None where `trouble` says why not."""
    global talk, trouble
    if talk is not None:
        return talk
    settings = preferences()
    try:
        trouble = ""
        address = checked_address(settings.address.strip())
        if not bpy.app.online_access and not localnode.is_local(address):
            raise BadAddress(
                "the node is on another machine and Blender is set to stay offline; "
                "allow it in Preferences > System > Network, or start Blender with --online-mode"
            )
        key = Path(bpy.path.abspath(settings.key_file)) if settings.key_file else None
        talk = Talk(address, key)
    except BadAddress as error:
        trouble = str(error)
        return None
    adopt()
    return talk


def close() -> None:
    """Ends the connection; jobs go on at the node."""
    global talk
    if talk is not None:
        arrivals.stop()
        talk.client.close()
        talk = None


def reconnect() -> None:
    """Begins anew, with the settings as they are now."""
    close()
    connect()
    redraw()


def link() -> Link:
    """Tells how it stands with the node."""
    if talk is None:
        return Link("refused", trouble) if trouble else Link("connecting", "not connected")
    return talk.client.link


def figures() -> dict[str, float]:
    """Gives what the node counts, by its own names."""
    return talk.figures if talk else {}


def address() -> str:
    return talk.address if talk else preferences().address.strip()


# ---- jobs


def adopt() -> None:
    """Follows the jobs that the .blend knows as open and this session does not follow yet."""
    if talk is None:
        return
    for asked in book.to_follow(talk.address):
        if asked.job not in talk.errands.all:
            talk.errands.begin(asked)


def errand(job: str):
    """Gives what this session knows of a job, None where it follows none of that number."""
    return talk.errands.all.get(job) if talk else None


def cancel(job: str) -> None:
    if (found := errand(job)) is not None and not found.told:
        talk.errands.cancel(job)


def place(job: str) -> None:
    """Has the result of a job placed once more; one that is not all here is placed when it is."""
    assert talk is not None
    found = talk.errands.all[job]
    found.error = ""
    if found.state == "done":
        talk.arrived.append(job)
    elif found.told:
        talk.errands.begin(found.asked)


def escapes() -> bool:
    return preferences().escape


# ---- the timer


def tick() -> float:
    if talk is None and not trouble:
        connect()
    busy = drain()
    return EAGER if busy else LAZY


def drain(budget: float = BUDGET) -> bool:
    """Takes the replies that are here, within that many seconds, and goes on with what arrived.

    Gives whether something is under way.
    """
    if talk is None:
        return False
    for reply in talk.client.drain(budget):
        if isinstance(reply, Metrics):
            talk.figures = dict(reply.values)
        elif not isinstance(reply, Link):
            talk.errands.hear(reply)
    changed = take_news(talk) | looked(talk)
    place_some(talk)
    ask_figures(talk)
    if changed:
        redraw()
    return bool(talk.arrived or arrivals.busy()) or any(not errand.told for errand in talk.errands.all.values())


def looked(talk: Talk) -> bool:
    """Tells whether the link is not what it was when this was last asked."""
    before, talk.seen = talk.seen, talk.client.link
    return before != talk.seen


def take_news(talk: Talk) -> bool:
    news = talk.errands.news
    changed = bool(news)
    while news:
        HEARD[news[0].what](talk, news.popleft())
    return changed


def submitted(talk: Talk, news: News) -> None:
    if found := book.find(news.job):
        found[1].submitted = True


def ended(talk: Talk, news: News) -> None:
    found = book.find(news.job)
    if found is None:  # undone, or another file was opened
        talk.errands.forget(news.job)
        return
    state = talk.errands.all[news.job].state
    if state == "done":
        talk.previews.pop(news.job, None)
        talk.arrived.append(news.job)
    else:
        found[1].state = state


def preview(talk: Talk, news: News) -> None:
    assert news.path is not None
    talk.previews.setdefault(news.job, []).append(news.path)


HEARD: dict[str, Callable[[Talk, News], None]] = {
    "moved": lambda talk, news: None,
    "submitted": submitted,
    "ended": ended,
    "preview": preview,
}


def place_some(talk: Talk) -> None:
    """Puts what arrived into the scene, a step at a time, unless the artist is in the middle of something."""
    if not arrivals.at_leisure():
        return
    if arrivals.busy():
        arrivals.go_on(STEP)
    elif talk.arrived:
        arrivals.begin(talk.errands.all[talk.arrived.popleft()])
    elif talk.previews:
        job = next(iter(talk.previews))
        arrivals.show(job, talk.previews.pop(job))


def ask_figures(talk: Talk) -> None:
    now = time.monotonic()
    if talk.client.link.state == "connected" and now - talk.asked > ASK:
        talk.asked = now
        talk.client.ask()


def redraw() -> None:
    for window in bpy.context.window_manager.windows:
        for area in window.screen.areas:
            if area.type in AREAS:
                area.tag_redraw()


def wait(done: Callable[[], bool], seconds: float | None = None) -> bool:
    """Drains until something holds, for scripts and for Blender without windows; gives whether it came to hold."""
    end = None if seconds is None else time.monotonic() + seconds
    while not done():
        if talk is None or (end is not None and time.monotonic() > end):
            return False
        drain()
        time.sleep(0.002 if arrivals.busy() else 0.01)
    return True


# ---- handlers


@bpy.app.handlers.persistent
def on_load(*_: object) -> None:
    """Another file: what was followed for the one before goes on at the node; its own jobs are followed."""
    arrivals.stop()
    if talk is not None:
        for job in list(talk.errands.all):
            talk.errands.forget(job)
        talk.arrived.clear()
        talk.previews.clear()
    adopt()


@bpy.app.handlers.persistent
def on_undo(*_: object) -> None:
    """What was being built is gone with the step that was undone; jobs may be back."""
    arrivals.start_again()
    adopt()


HANDLERS = {"load_post": on_load, "undo_post": on_undo, "redo_post": on_undo}


def register() -> None:
    for name, handler in HANDLERS.items():
        getattr(bpy.app.handlers, name).append(handler)
    bpy.app.timers.register(tick, first_interval=LAZY, persistent=True)


def unregister() -> None:
    if bpy.app.timers.is_registered(tick):
        bpy.app.timers.unregister(tick)
    for name, handler in HANDLERS.items():
        getattr(bpy.app.handlers, name).remove(handler)
    close()
    localnode.stop()
