"""Turns a wish for results into tasks, each named by the hash of all it is made from.

Pure: it neither runs a task nor looks at the cache.  The number of output frames is known only once the motion is, so
a plan is made twice: without the length it holds the tasks that come before the per-frame stages, with it all of them.
"""

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import msgspec

from retac_node.engine.stage import Stage

Range = tuple[int, int]  # output frames [start, stop)
Share = tuple[int, int]  # index, count: of each per-frame stage the chunks index, index + count, ...
WHOLE: Share = (0, 1)
Input = str | tuple[str, ...]  # a task's key, or the keys of all chunks of a per-frame stage in order


@dataclass(frozen=True)
class Task:
    """One run of a stage; of a chunked stage, over one range of output frames."""

    stage: str
    key: str  # sha256 of stage, version, options, weights, inputs and range, in hex
    options: Any  # the stage's frozen Options
    inputs: tuple[Input, ...]  # in the order of Stage.inputs
    frames: Range | None = None  # None where the stage is not chunked

    def sources(self) -> Iterator[str]:
        """Gives the key of each task whose result this one reads."""
        for item in self.inputs:
            yield from (item,) if isinstance(item, str) else item


def plan(
    stages: Mapping[str, Stage],
    wanted: Sequence[str],
    options: Mapping[str, Any],
    weight_hashes: Mapping[str, str],
    length: int | None,
    chunk: int,
) -> tuple[Task, ...]:
    """Gives the tasks that lead to the wanted stages' results, each after those it reads.

    `stages` lists each stage after its inputs.  `length` is the number of output frames; None leaves out the per-frame
    stages and what follows from them.  The keys of a plan without the length are a subset of those of any plan with
    it.  `chunk` is in frames.
    """
    ranges = split(length, chunk) if length is not None else ()
    made: dict[str, tuple[Task, ...]] = {}  # stage -> its tasks, one for each range where it is chunked
    for name in order(stages, wanted):
        stage = stages[name]
        if length is None and (stage.chunked or any(source not in made for source in stage.inputs)):
            continue
        weights = [weight_hashes[weight] for weight in stage.weights]
        spans: Sequence[Range | None] = ranges if stage.chunked else (None,)
        made[name] = tuple(
            task(stage, options[name], weights, inputs(stages, stage, made, index), span)
            for index, span in enumerate(spans)
        )
    return tuple(item for tasks in made.values() for item in tasks)


def shared(tasks: Sequence[Task], chunk: int, share: Share) -> tuple[Task, ...]:
    """Gives the tasks of a share: its chunks of the per-frame stages, of `chunk` frames, and all of the other stages.

    The shares (0, n) to (n - 1, n) have each chunk between them once, however many there are.
    """
    index, count = share
    return tuple(task for task in tasks if task.frames is None or task.frames[0] // chunk % count == index)


def order(stages: Mapping[str, Stage], wanted: Sequence[str]) -> tuple[str, ...]:
    """Gives the names of the wanted stages and of all they rest on, in the order of the table."""
    names, asked = list(stages), set(wanted)
    for index, name in reversed(list(enumerate(names))):
        late = set(stages[name].inputs).difference(names[:index])
        assert not late, f"the table of stages must list {', '.join(sorted(late))} before {name}, which reads it"
        if name in asked:
            asked.update(stages[name].inputs)
    return tuple(name for name in names if name in asked)


def split(length: int, chunk: int) -> tuple[Range, ...]:
    assert length > 0, f"there are {length} output frames"
    assert chunk > 0, f"a chunk has {chunk} frames"
    return tuple((start, min(start + chunk, length)) for start in range(0, length, chunk))


def inputs(
    stages: Mapping[str, Stage], stage: Stage, made: Mapping[str, tuple[Task, ...]], index: int
) -> tuple[Input, ...]:
    """A chunk reads the same range of a chunked input; a whole reads all its chunks; a plain input is read whole."""

    def keys(name: str) -> Input:
        if not stages[name].chunked:
            return made[name][0].key
        return made[name][index].key if stage.chunked else tuple(item.key for item in made[name])

    return tuple(keys(name) for name in stage.inputs)


def task(stage: Stage, options: Any, weights: list[str], sources: tuple[Input, ...], frames: Range | None) -> Task:
    assert isinstance(options, stage.options), f"{stage.name} was given {type(options).__name__} as its options"
    recipe = (stage.name, stage.version, options, weights, sources, frames)
    key = hashlib.sha256(msgspec.json.encode(recipe, order="deterministic")).hexdigest()
    return Task(stage.name, key, options, sources, frames)
