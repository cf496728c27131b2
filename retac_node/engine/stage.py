"""What a stage is and what it is given.  Knows tasks and progress; never faces, tensors or sockets."""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

Item = TypeVar("Item")


@dataclass(frozen=True)
class Stage:
    """A row of the STAGES table: `run(ctx, options, *inputs) -> result`."""

    name: str
    version: int  # raise it when the output changes for the same input
    run: Callable[..., Any]
    options: type  # frozen dataclass
    result: type  # frozen dataclass
    inputs: tuple[str, ...] = ()  # names of the stages whose results are given, in order
    weights: tuple[str, ...] = ()  # assets and own weights whose sha256 enter the key
    chunked: bool = False  # run(ctx, options, (start, stop), *inputs) over ranges of output frames
    cost: float = 1.0  # seconds it takes on a short shot, roughly; only steers the bar of the whole job
    cpus: int = 1  # what a farm sets aside for it: threads it may use,
    gpus: float = 0.0  # CUDA devices, where the job runs on such,
    memory: int = 2048  # and MiB of main memory


@dataclass(frozen=True)
class Context:
    """What the engine gives a running stage.  `progress` raises Cancelled when the user has stopped the job."""

    folder: Path  # this task's own folder: checkpoints left here are found again after a kill
    device: str  # "cpu" or "cuda"
    sources: dict[str, Path] = field(default_factory=dict)  # sha256 -> where the user's file lies today
    progress: Callable[[float, str], None] = lambda fraction, label: None
    warn: Callable[[str], None] = lambda sentence: None

    def source(self, sha256: str) -> Path:
        return self.sources[sha256]

    def track(self, items: Iterable[Item], total: int | None = None, label: str = "") -> Iterator[Item]:
        """Yields the items; each step reports progress and is a point where the job can be cancelled."""
        count = total if total is not None else len(items)  # type: ignore[arg-type]
        for done, item in enumerate(items):
            self.progress(done / max(count, 1), label)
            yield item
        self.progress(1.0, label)
