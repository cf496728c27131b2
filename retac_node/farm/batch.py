"""`retac farm batch`: checks the rows of a list, has the shots made, and leaves one page about all of them.

Never decides which shot runs when (drive.py does), and never makes a picture.
"""

import dataclasses
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from retac_node import config, lexicon, results
from retac_node.desk import Desk
from retac_node.engine.make import LOCAL
from retac_node.engine.stage import Stage
from retac_node.errors import BadInput, Cancelled, RetacError
from retac_node.farm import checks, ledger, page, record, shots, telling
from retac_node.farm.drive import Batch, Stopped
from retac_node.farm.ledger import Entry
from retac_node.farm.shots import Asked
from retac_node.farm.threads import Threads
from retac_node.stages import STAGES
from retac_node.stopping import on_stop
from retac_node.workers import Pool, Setting

CRAFT = "retac_node.farm.bench:CRAFT"
FRESH = 5.0  # seconds by which the page may be late while shots run
SHARE = 0.02  # of the time, what writing it may take
Tell = Callable[[telling.Told], None]
TRIES = 3  # attempts of a shot that fails for no fault of its own; an executor that is not local has its own
MOST_THREADS = 8  # shots at a time, where their tasks are made elsewhere
COUNT = "import torch; print(torch.cuda.device_count())"


@dataclass(frozen=True)
class Plan:
    """What the command line asks for."""

    file: Path
    page: Path
    defaults: Mapping[str, str]  # column -> what stands in cells that are empty
    workers: int | None = None  # None: one for each GPU, or one
    lexicon: Path | None = None
    require_consent: bool = False
    strict: bool = False  # starts nothing where a row has a fault
    check: bool = False  # starts nothing at all
    resume: bool = False


@dataclass(frozen=True)
class Summary:
    """What a batch leaves beside the shots."""

    page: Path | None = None
    json: Path | None = None


def batch(plan: Plan, desk: Desk, stages: Mapping[str, Stage] | None = None, craft: str = "") -> Summary:
    """Makes the shots.  `stages` is the table, where it is not the installation's, and `craft` names its worker's.

    Raises BadInput for what is wrong with the list, RetacError at the end where shots have failed, Cancelled.
    """
    results.check_file(plan.page, (".html",), (plan.file,))
    own = lexicon.entries(plan.lexicon)
    rows = [spoken(row, own) for row in shots.read(plan.file, plan.defaults)]
    entries = ledger.entries(checks.check(rows, plan.file.parent, desk, stages or STAGES, plan.require_consent))
    if plan.resume:
        recall(entries)
    tell: Tell = desk.tell  # type: ignore[assignment]  # what shows it shows events of every kind
    faulty = tell_faults(entries, tell)
    if faulty and (plan.strict or plan.check):
        raise BadInput(f"{faulty} of {len(rows)} rows cannot run, and nothing was started; mend them and run again")
    if plan.check:
        return Summary()
    book = Book(plan.page, f"{plan.file.stem}, {len(rows)} shots", entries)
    work(plan, desk, book, tell, craft or CRAFT)
    failed = sum(entry.state == "failed" for entry in entries)
    if failed:
        raise RetacError(f"{failed} of {len(rows)} shots failed; {plan.page} says why")
    return Summary(book.page, book.json)


def spoken(row: Asked, own: Mapping[str, str]) -> Asked:
    """Writes the user's own pronunciations into the line."""
    if row.wish is None:
        return row
    return dataclasses.replace(row, wish=dataclasses.replace(row.wish, text=lexicon.applied(row.wish.text, own)))


def recall(entries: Sequence[Entry]) -> None:
    """Takes as done what an earlier run has finished just as it is asked for now."""
    for entry in entries:
        if (shot := entry.checked.shot) is not None:
            entry.record = record.finished(shot.made, shot.recipe)
            if entry.record is not None:
                entry.state, entry.kept = "done", True


def tell_faults(entries: Sequence[Entry], tell: Tell) -> int:
    """Tells all that was found in all rows; gives how many have faults."""
    faulty = [entry.checked for entry in entries if entry.checked.faults]
    for row in faulty:
        tell(telling.Faulty(row.row, row.line, row.name, row.faults))
    tell(telling.Validated(len(entries), len(faulty), sum(entry.kept for entry in entries)))
    return len(faulty)


def work(plan: Plan, desk: Desk, book: "Book", tell: Tell, craft: str) -> None:
    """Has the shots made, on worker processes that end with it.  Raises Cancelled, RetacError."""
    if all(entry.ended for entry in book.entries):
        return book.write()
    with tempfile.TemporaryDirectory(prefix="retac-batch-") as scratch, on_stop(desk.stopped.set):
        cache = desk.work.absolute() if desk.work else None
        setting = Setting(config.load().home, Path(scratch), vars(checks.ANY), craft, cache)
        run = Batch(book.entries, pool(plan, desk, setting), tell, TRIES if desk.executor is LOCAL else 1)
        try:
            run.run(desk.stopped, book.refresh)
        except Stopped:
            raise Cancelled(f"stopped; go on with: retac farm batch {plan.file} --resume") from None
        finally:
            run.close()
            book.write()
    return None


def pool(plan: Plan, desk: Desk, setting: Setting) -> Pool:
    """Gives the workers: processes; threads where another makes the tasks, of which several shots keep it busy."""
    if desk.executor is LOCAL:
        return Pool(devices(desk.device, plan.workers), setting)
    return Threads(plan.workers or min(desk.executor.width, MOST_THREADS), setting, desk.executor)


def devices(asked: str, workers: int | None) -> tuple[str, ...]:
    """Gives the device of each worker.  Raises BadInput where the one asked for is not there."""
    count = 0
    if asked != "cpu":  # asked in a process of its own, as PyTorch takes seconds and much memory
        told = subprocess.run([sys.executable, "-c", COUNT], capture_output=True, text=True, check=False)  # noqa: S603
        count = int(told.stdout) if told.returncode == 0 else 0
    if asked == "cuda" and not count:
        raise BadInput("--device cuda: PyTorch finds no CUDA device here; leave --device out to use the processor")
    visible = os.environ.get("CUDA_VISIBLE_DEVICES") or ",".join(str(number) for number in range(count))
    places = [f"cuda:{number}" for number in visible.split(",")[:count]] or ["cpu"]
    return tuple(places[n % len(places)] for n in range(workers or len(places)))


class Book:
    """The page and the JSON beside it, written anew as shots end: aside, then renamed."""

    def __init__(self, path: Path, title: str, entries: Sequence[Entry]) -> None:
        self.page, self.json, self.title, self.entries = path, path.with_suffix(".json"), title, entries
        self.began = time.monotonic()
        self.written, self.cost = float("-inf"), 0.0  # when it was, and how long that took, seconds

    def refresh(self) -> None:
        """Writes it where it is older than it may be."""
        if time.monotonic() - self.written > max(FRESH, self.cost / SHARE):
            self.write()

    def write(self) -> None:
        began = time.monotonic()
        folder, sums = self.page.parent, ledger.totals(self.entries, began - self.began)
        rows = [ledger.summary(entry, folder) for entry in self.entries]
        told = {"title": self.title, "totals": dataclasses.asdict(sums), "shots": rows}
        with results.aside(self.json) as aside:
            aside.write_text(json.dumps(told, indent=1), encoding="utf-8")
        with results.aside(self.page) as aside:
            aside.write_text(page.draw(self.title, self.entries, sums, folder), encoding="utf-8")
        self.written = time.monotonic()
        self.cost = self.written - began
