"""`retac farm openjd`: writes a dub as a job bundle of Open Job Description.  Never runs a job, and needs no library of it.

    template.yaml          steps and parameters (jobtemplate-2023-09); no path of any machine
    job.json               the job: its line and its options, its files by sha256
    parameter_values.yaml  the parameters' values, as Deadline Cloud reads them    parameters.json  as `openjd` does
    asset_references.yaml  what Deadline Cloud is to send along and to bring back

How many frames there will be is known only when the line has been spoken, so the frames' step is a fixed number of
shares, and each finds out for itself which chunks are its own.
"""

import json
import math
import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import Any

import msgspec
import yaml
from retac_shared.order import Order

from retac_node import dub, orders, recipe, results
from retac_node.desk import Desk
from retac_node.dub import Wish
from retac_node.engine.plan import order
from retac_node.engine.stage import Stage
from retac_node.errors import BadInput
from retac_node.farm.steps import STEPS
from retac_node.farm.task import FILES, read
from retac_node.farm.template import MOST_SHARES, PLACES, Place, template
from retac_node.stages import STAGES

__all__ = ["Bundle", "Farm", "bundle", "completed", "read"]

NAME_LENGTH = 128  # characters of a job's name


@dataclass(frozen=True)
class Farm:
    """What is asked of the farm."""

    shares: int | None = None  # tasks that make the frames; None: by the clip's length
    gpu: bool = False  # only hosts with a GPU do what is worth one


@dataclass(frozen=True)
class Bundle:
    """What lies where."""

    template: Path
    parameters: Path


def completed(wish: Wish, saved: Order) -> Wish:
    """Fills in from a saved job what the wish leaves open.  Raises BadInput where a file of the job is not given."""
    for name in FILES:
        if getattr(saved, name) and getattr(wish, name) is None:
            raise BadInput(f"the saved job has a file for --{name}, and only its sha256 is kept; give it again")
    same = {item.name for item in fields(Order)}.difference(FILES, {"frames"})
    open_ = [item.name for item in fields(Wish) if item.name in same and getattr(wish, item.name) == item.default]
    return replace(wish, **{name: getattr(saved, name) for name in open_})


def bundle(wish: Wish, target: Path, farm: Farm, desk: Desk) -> Bundle:
    """Writes the bundle.  What would fail on the farm for the clip or the range fails here.

    Raises BadInput, OutOfSpace, Cancelled.
    """
    dub.check(wish, dub.places(wish))
    results.check_fresh_folder(target)
    digests = {path: recipe.digest(path) for path in wish.given()}
    job = dub.order_of(wish, digests)
    clip = desk.look(orders.spec_of(job), {digest: path.absolute() for path, digest in digests.items()})
    if wish.start is not None and wish.end is not None:
        orders.slot_of(wish.start, wish.end, clip)
        job = replace(job, start=wish.start, end=wish.end)
    shares = farm.shares or min(math.ceil(len(clip.times) / recipe.CHUNK), MOST_SHARES)
    paths = {place: path for place in PLACES if (path := placed(place, wish, desk))}
    values = {place.name: path for place, path in paths.items()} | {"Shares": shares, "Device": desk.device}
    asked = tuple(place for place in PLACES if place in paths or place.default)
    with results.aside(target) as folder:
        folder.mkdir()
        (folder / "job.json").write_bytes(msgspec.json.format(msgspec.json.encode(job)) + b"\n")
        (folder / "parameters.json").write_text(json.dumps(values, indent=2) + "\n", encoding="utf-8")
        rows = [{"name": name, "value": value} for name, value in values.items()]
        write_yaml(folder / "parameter_values.yaml", {"parameterValues": rows})
        write_yaml(folder / "asset_references.yaml", {"assetReferences": references(paths)})
        write_yaml(folder / "template.yaml", template(title(wish), asked, dict(needs(STAGES, farm.gpu))))
    return Bundle(target / "template.yaml", target / "parameters.json")


def placed(place: Place, wish: Wish, desk: Desk) -> str:
    """Gives where it lies on this machine, "" for what is not asked for; a farm's path mapping makes it theirs."""
    path = desk.cache().root if place.option == "cache" else getattr(wish, place.option, None)
    return os.path.abspath(path) if path is not None else ""


def needs(stages: Mapping[str, Stage], gpu: bool) -> Iterator[tuple[str, dict[str, Any]]]:
    """Gives what the hosts of each step must have: the most that one of the stages made in it sets aside."""
    made: set[str] = set()
    for step in STEPS:
        rows = [stages[name] for name in order(stages, step.wanted) if name not in made]
        made.update(row.name for row in rows)
        amounts = {
            "vcpu": max(row.cpus for row in rows),
            "memory": max(row.memory for row in rows),
            "gpu": math.ceil(max(row.gpus for row in rows)) if gpu else 0,
        }
        least = [{"name": f"amount.worker.{name}", "min": amount} for name, amount in amounts.items() if amount]
        yield step.name, {"amounts": least}


def title(wish: Wish) -> str:
    """Names the job for lists: the clip and how the line begins."""
    text = f"{wish.clip.name}: {wish.text}" if wish.text else wish.clip.name
    return " ".join("".join(char if char.isprintable() else " " for char in text).split())[:NAME_LENGTH]


def references(paths: Mapping[Place, str]) -> dict[str, Any]:
    """Gives the files to send along and the folders to bring back."""
    files = [path for place, path in paths.items() if place.flow == "IN"]
    out = {
        path if place.kind == "DIRECTORY" else os.path.dirname(path): 0
        for place, path in paths.items()
        if place.flow == "OUT"
    }
    return {
        "inputs": {"filenames": files, "directories": []},
        "outputs": {"directories": list(out)},
        "referencedPaths": [],
    }


def write_yaml(path: Path, tree: Any) -> None:
    path.write_text(yaml.safe_dump(tree, sort_keys=False, allow_unicode=True, width=120), encoding="utf-8")
