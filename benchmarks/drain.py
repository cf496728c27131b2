"""How long a tick of the add-on's timer lasts while a node tells a lot: a thousand messages, as they come and at once.

Run it with a Python that has bpy:  PYTHONPATH=.:shared python benchmarks/drain.py
The messages come from a thread of this process; no node is needed.
"""

import os
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from threading import Thread
from types import SimpleNamespace

import bpy

sys.path[:0] = [str(Path(__file__).parents[1]), str(Path(__file__).parents[1] / "shared")]

from retac_shared.inbox import Inbox, Link, Moved, Reply  # noqa: E402
from retac_shared.jobs import JobStatus, Part  # noqa: E402
from retac_shared.messages import Parts, Status, Welcome  # noqa: E402

from blender_addon import inbox, props  # noqa: E402
from blender_addon.errands import Asked, Errands  # noqa: E402

COUNT = 1000
WATCH = 1


class Quiet:
    """A client whose node is silent; what it hears is put into its inbox."""

    def __init__(self) -> None:
        self.inbox, self.requests = Inbox(), iter(range(1, 10**6))
        self.link = Link("connected", "", Welcome(1, "", "me", "admin", ("cpu",), 1))
        self.drain = self.inbox.drain

    def __getattr__(self, name: str) -> Callable[..., int]:
        return lambda *_, **__: next(self.requests)


def one_job(n: int) -> Reply:
    status = JobStatus("a" * 32, "line", "me", "dub", "running", 0, n, 0.0, "render", f"frame {n}", n / COUNT)
    return Status(WATCH, status)


def many_jobs(n: int) -> Reply:
    return Status(1 + n, JobStatus(f"{n:032x}", "line", "me", "dub", "running", 0, n, 0.0, "render", "", n / COUNT))


def previews(n: int) -> Reply:
    return Parts(WATCH, n, (Part(f"preview/{n:06d}.jpg", "b" * 64, 1000),))


def transfer(n: int) -> Reply:
    return Moved(1 + n, n, COUNT)


def measure(name: str, jobs: int, reply: Callable[[int], Reply], pause: float) -> None:
    client = Quiet()
    talk = SimpleNamespace(**vars(bare_talk(client)))
    for n in range(jobs):
        talk.errands.begin(
            Asked(f"{n:032x}" if jobs > 1 else "a" * 32, {"goal": "dub"}, {}, Path(os.devnull), "", True)
        )
    inbox.talk = talk
    feeder = Thread(target=feed, args=(client.inbox, reply, pause))
    feeder.start()
    if not pause:
        feeder.join()
    ticks = list(ticked(feeder, client.inbox))
    feeder.join()
    print(f"{name:44}{len(ticks):8}{1000 * sum(ticks) / len(ticks):12.2f}{1000 * max(ticks):12.2f}")


def bare_talk(client: Quiet) -> SimpleNamespace:
    held = {
        "arrived": inbox.deque(),
        "previews": {},
        "figures": {},
        "asked": time.monotonic() + 60,
        "seen": client.link,
    }
    return SimpleNamespace(address="tcp://127.0.0.1:1", client=client, errands=Errands(client), **held)


def feed(into: Inbox, reply: Callable[[int], Reply], pause: float) -> None:
    for n in range(COUNT):
        into.put(reply(n))
        if pause:
            time.sleep(pause)


def ticked(feeder: Thread, held: Inbox) -> Iterator[float]:
    while feeder.is_alive() or held.replies:
        start = time.perf_counter()
        inbox.drain()
        yield time.perf_counter() - start
        time.sleep(0.01)


def main() -> None:
    bpy.ops.wm.read_factory_settings(use_empty=True)
    props.register()
    print(f"Blender {bpy.app.version_string}; asked: below 10 ms a tick\n")
    print(f"{COUNT} messages{'':30}{'ticks':>8}{'mean, ms':>12}{'worst, ms':>12}")
    for how, pause in (("one after the other", 0.001), ("at once", 0.0)):
        measure(f"progress of one job, {how}", 1, one_job, pause)
        measure(f"progress of {COUNT} jobs, {how}", COUNT, many_jobs, pause)
        measure(f"previews of one job, {how}", 1, previews, pause)
        measure(f"progress of {COUNT} transfers, {how}", COUNT, transfer, pause)


if __name__ == "__main__":
    main()
    sys.stdout.flush()
    os._exit(0)  # Blender 4.5 as a module may wait for ever when Python ends
