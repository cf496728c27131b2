"""The commands that speak to a render node: submit, jobs, watch, cancel, resume, fetch, metrics.

Never runs a stage; a job goes on at its node whatever becomes of the command that asked for it.
"""

import fnmatch
import re
from argparse import Namespace
from collections.abc import Collection
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from retac_shared.client import new_job
from retac_shared.jobs import ENDED, JobStatus, Part
from retac_shared.messages import Status
from retac_shared.motion import BadMotion, load_motion
from retac_shared.order import NAME, Order

from retac_node import results
from retac_node.errors import BadInput, Cancelled, Refused
from retac_node.talk import Talk

ENDINGS = (".mp4", ".mov")
SAFE = re.compile(r"[\w][\w .()+-]*(/[\w][\w .()+-]*)?")  # of a part, in one folder at most
ENDED_AS = {"failed": BadInput, "cancelled": Cancelled}


@dataclass(frozen=True)
class Made:
    """What a command leaves."""

    job: str
    video: Path | None = None
    motion: Path | None = None
    report: Path | None = None
    frames: Path | None = None
    mattes: Path | None = None
    folder: Path | None = None


@dataclass(frozen=True)
class Nothing:
    """What a command leaves that only tells."""


# ---- submit


def submit(asked: Namespace, talk: Talk) -> Made | None:
    """Sends what the node lacks and orders the job; waits for its end and fetches it where that is asked.

    Raises BadInput, Refused, Cancelled, OutOfSpace.
    """
    waits = asked.wait or asked.output is not None
    talk.quiet = not waits and not asked.json  # so that a script reads the number and nothing else
    target = asked.output or Path(f"{asked.clip.stem}_dub.mp4")
    given = {name: path for name in ("clip", "audio", "voice", "motion") if (path := getattr(asked, name)) is not None}
    check(asked, target, waits, given.values())
    order_of(asked, dict.fromkeys(given, "0" * 64), target)  # says what is wrong before anything is sent
    order = order_of(asked, {name: talk.upload(path) for name, path in given.items()}, target)
    job = new_job()
    talk.answer(talk.client.submit(order, job, (asked.label or asked.clip.name)[:200], asked.priority), Status)
    talk.line("submitted", {"job": job}, job)
    return collect(job, follow(job, talk), asked, target, talk) if waits else None


def check(asked: Namespace, target: Path, waits: bool, given: Collection[Path]) -> None:
    if waits and asked.goal == "dub":
        results.check_file(target, ENDINGS, given)
    for folder in (asked.frames, asked.mattes):
        if waits and folder is not None:
            results.check_fresh_folder(folder)
    if not -100 <= asked.priority <= 100:
        raise BadInput(f"--priority is {asked.priority}; give a number from -100 to 100")
    if asked.goal != "solve" and not asked.text and asked.audio is None:
        raise BadInput("there is no line to speak; give its words with --text or a recording of it with --audio")
    for path in given:
        if not path.is_file():
            raise BadInput(f"{path} does not exist or is a folder; check the path")
    if asked.motion is not None:
        try:
            load_motion(asked.motion)
        except BadMotion as error:
            raise BadInput(str(error)) from error


def order_of(asked: Namespace, digests: dict[str, str], target: Path) -> Order:
    line = ("goal", "text", "start", "end", "pose", "engine", "consent")
    same = (*line, "quality", "train_minutes", "subject", "lens", "seed")
    values: dict[str, Any] = {**digests, **{key: getattr(asked, key) for key in same}}
    if NAME.fullmatch(target.name):  # it is only shown
        values["name"] = target.name
    try:
        return Order(**values, frames=asked.frames is not None or asked.mattes is not None)
    except ValueError as error:
        raise BadInput(str(error)) from error


def collect(job: str, parts: list[Part], asked: Namespace, target: Path, talk: Talk) -> Made:
    """Fetches what `retac dub` would leave; the finished video comes last."""
    if asked.goal != "dub":
        return Made(job)
    sidecars = target.with_suffix(".motion.npz"), target.with_suffix(".report.html")
    made = Made(job, target, *sidecars, asked.frames, asked.mattes)
    held = {part.name: part for part in parts}
    for kind, folder in (("frames/", asked.frames), ("mattes/", asked.mattes)):
        if folder is not None:
            folder.mkdir(exist_ok=True)
            talk.fetch({folder / safe(part.name).name: part for part in parts if part.name.startswith(kind)})
    talk.fetch({path: held[name] for name, path in (("motion.npz", made.motion), ("report.html", made.report)) if path})
    if target.suffix.lower() == ".mp4":
        talk.fetch({target: held["video.mp4"]})
        return made
    from retac_node.dub import copy_video  # takes seconds to import

    with results.aside(target) as aside:
        talk.fetch({aside.with_suffix(".mp4"): held["video.mp4"]})
        copy_video(aside.with_suffix(".mp4"), aside)
    return made


# ---- watch


def watch(asked: Namespace, talk: Talk) -> Made:
    """Shows a job until its end.  Raises BadInput with the node's sentence where it failed, Cancelled."""
    job = talk.find(asked.job)
    follow(job, talk)
    return Made(job)


def follow(job: str, talk: Talk) -> list[Part]:
    """Shows a job until it is done and all its parts are known; gives them."""
    try:
        status, parts = talk.watch(job, lambda status: status.state in ENDED)
    except KeyboardInterrupt:
        raise Cancelled(f"not watching any more; job {job} goes on at the node, see: retac watch {job[:8]}") from None
    if status.state != "done":
        why = status.error or f"job {job} was cancelled; to go on from there: retac resume {job[:8]}"
        raise ENDED_AS[status.state](why)
    return parts


# ---- jobs, cancel, resume, metrics


def jobs(asked: Namespace, talk: Talk) -> None:
    for status in talk.jobs(asked.limit):
        talk.line("job", asdict(status), listed(status))


def listed(status: JobStatus) -> str:
    """A line: number, state, how far it is, what it is at, whose, and what it is called."""
    at = {"queued": f"{status.ahead} before it", "running": f"{status.stage} {status.doing}".strip()}
    about = at.get(status.state, status.error)
    return f"{status.job}  {status.state:9} {status.fraction:4.0%}  {status.owner}  {status.label!r}  {about}".rstrip()


def cancel(asked: Namespace, talk: Talk) -> None:
    for job in [talk.find(text) for text in asked.jobs]:
        status = talk.answer(talk.client.cancel(job), Status).status
        talk.line("job", asdict(status), listed(status))


def resume(asked: Namespace, talk: Talk) -> None:
    for job in [talk.find(text) for text in asked.jobs]:
        status = talk.answer(talk.client.resume(job), Status).status
        talk.line("job", asdict(status), listed(status))


def metrics(asked: Namespace, talk: Talk) -> None:
    for name, value in sorted(talk.metrics().items()):
        talk.line("metric", {"name": name, "value": value}, f"{name} {value:g}")


# ---- fetch


def fetch(asked: Namespace, talk: Talk) -> Made:
    """Fetches what a job has made so far into a folder."""
    results.check_folder(asked.output)
    job = talk.find(asked.job)
    _, parts = talk.watch(job, lambda status: True)
    chosen = {asked.output / safe(part.name): part for part in parts if wanted(part.name, asked.only)}
    try:
        for folder in sorted({asked.output, *(path.parent for path in chosen)}):
            folder.mkdir(exist_ok=True)
    except OSError as error:
        raise BadInput(f"{error.filename} cannot be made ({error.strerror}); choose another folder") from error
    talk.fetch(chosen)
    return Made(job, folder=asked.output)


def wanted(name: str, only: list[str] | None) -> bool:
    if only is None:
        return not name.startswith("preview/")
    return any(fnmatch.fnmatchcase(name, pattern) for pattern in only)


def safe(name: str) -> Path:
    """Gives a part's name as a path within a folder.  Raises Refused for one that would lead elsewhere."""
    if not SAFE.fullmatch(name):
        raise Refused(f"the node names a file {name!r:.80}, which is no plain name; nothing was written")
    return Path(name)


COMMANDS = {
    "submit": submit,
    "jobs": jobs,
    "watch": watch,
    "cancel": cancel,
    "resume": resume,
    "fetch": fetch,
    "metrics": metrics,
}
