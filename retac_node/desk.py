"""Where a command's jobs run: the cache, the device, the telling, and Ctrl-C.  Never knows what a job makes."""

import dataclasses
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from threading import Event as Flag
from typing import Any

from retac_shared.options import JobSpec
from retac_shared.order import Order

from retac_node import config, orders, recipe
from retac_node.data import Clip
from retac_node.engine.cache import Cache
from retac_node.engine.events import Event, Finished, Warned
from retac_node.engine.make import LOCAL, Executor
from retac_node.engine.plan import WHOLE, Share
from retac_node.engine.run import run
from retac_node.engine.stage import Stage
from retac_node.errors import BadInput
from retac_node.stages import STAGES
from retac_node.stopping import on_stop


@dataclass(frozen=True)
class Desk:
    work: Path | None  # the cache's folder; None: the installation's
    device: str  # "auto", "cpu" or "cuda"
    tell: Callable[[Event], None]
    stopped: Flag  # set by the first Ctrl-C, at whatever time it came
    give_way: Flag = field(default_factory=Flag)  # set by whoever has another job that comes first
    kept: Cache | None = None  # the cache, where one serves many jobs; None: opened for each
    executor: Executor = LOCAL
    told: list[Event] = field(default_factory=list)  # what the jobs warned of, and what they finished

    def run(
        self,
        spec: JobSpec,
        sources: Mapping[str, Path],
        wanted: tuple[str, ...],
        stages: Mapping[str, Stage] | None = None,
        share: Share = WHOLE,
    ) -> dict[str, Any]:
        """Gives the wanted stages' results; `sources` is sha256 -> file, `stages` None the table, `share` of the frames.

        Raises BadInput, OutOfSpace, Refused; Cancelled within a second of Ctrl-C.
        """
        here = device(self.device) if self.executor is LOCAL else "cpu"  # another finds its own devices
        job = recipe.job(stages or STAGES, spec, wanted, sources, here)
        job = dataclasses.replace(job, share=share)
        with on_stop(self.stopped.set):
            return run(job, self.cache(), self.hear, self.stopped, self.give_way, self.executor)

    def spec(self, order: Order, sources: Mapping[str, Path], stages: Mapping[str, Stage] | None = None) -> JobSpec:
        """Gives the order's options, with its range laid on the clip's frames.  Raises BadInput."""
        spec = orders.spec_of(order)
        if order.start is None or order.end is None:
            return spec
        clip = self.look(spec, sources, stages)
        return orders.spec_of(order, orders.slot_of(order.start, order.end, clip), float(clip.fps))

    def look(self, spec: JobSpec, sources: Mapping[str, Path], stages: Mapping[str, Stage] | None = None) -> Clip:
        """Gives the clip's facts.  What it takes is told with the job that follows, whose first stage this is."""
        job = recipe.job(stages or STAGES, spec, ("ingest",), sources, "cpu")
        with on_stop(self.stopped.set):
            return run(job, self.cache(), lambda event: None, self.stopped)["ingest"]

    def hear(self, event: Event) -> None:
        if isinstance(event, Finished | Warned):
            self.told.append(event)
        self.tell(event)

    def seconds(self) -> dict[str, float]:
        """Gives how long each stage took, of those that ran."""
        return summed((event.stage, event.seconds) for event in self.finished() if not event.cached)

    def spent(self) -> dict[str, float]:
        """Gives how long each stage took when its results were made, here or elsewhere."""
        return summed((event.stage, event.spent) for event in self.finished())

    def finished(self) -> list[Finished]:
        return [event for event in self.told if isinstance(event, Finished)]

    def warnings(self) -> list[str]:
        return [event.sentence for event in self.told if isinstance(event, Warned)]

    def cache(self) -> Cache:
        if self.kept is not None:
            return self.kept
        settings = config.load()
        return Cache(self.work or settings.work, settings.cache_limit_bytes)


def summed(parts: Iterable[tuple[str, float]]) -> dict[str, float]:
    """Adds up what has the same name, in the order in which the names come."""
    sums: dict[str, float] = {}
    for name, amount in parts:
        sums[name] = sums.get(name, 0.0) + amount
    return sums


def device(asked: str) -> str:
    """Gives "cpu" or "cuda".  Raises BadInput where the one asked for is not there."""
    if asked == "cpu":
        return "cpu"
    import torch  # takes seconds

    if torch.cuda.is_available():
        return "cuda"
    if asked == "cuda":
        raise BadInput("--device cuda: PyTorch finds no CUDA device here; leave --device out to use the processor")
    return "cpu"
