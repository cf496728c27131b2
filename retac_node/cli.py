"""The command line: which command does what, and how it ends.  Imports what a command needs only when it runs.

Exit codes: 0 done, 2 the input cannot be used, 3 refused, 130 stopped.  Anything else is our own mistake.
"""

import argparse
import dataclasses
import json
import os
import signal
import sys
import time
from contextlib import suppress
from importlib.util import find_spec
from pathlib import Path
from threading import Event as Flag
from typing import TYPE_CHECKING, Any, NoReturn

from retac_node import arguments
from retac_node.errors import BadInput, Cancelled, RetacError

if TYPE_CHECKING:
    from retac_node.desk import Desk
    from retac_node.dub import Wish
    from retac_node.progress import Show

STOPPED = "stopped; run the same again to go on from here"
BROKEN_PIPE = 141  # as a shell shows a program that a closed pipe ended


def main(argv: list[str] | None = None) -> int:
    """Runs a command; gives its exit code."""
    asked = arguments.parser().parse_args((sys.argv[1:] if argv is None else argv) or ["--help"])
    try:
        if asked.command in REMOTE:
            return speak(asked)
        return work(asked) if asked.command in JOBS else look_after(asked)
    except KeyboardInterrupt:
        print(f"retac: {STOPPED}", file=sys.stderr)
        return Cancelled.exit_code
    except BrokenPipeError:
        leave(BROKEN_PIPE)


def work(asked: argparse.Namespace) -> int:
    """Runs a command that runs jobs: it gets a desk for them, and what it made is shown."""
    from retac_node.desk import Desk
    from retac_node.executors import executor
    from retac_node.stopping import on_stop

    show, began, stopped = shown(asked), time.monotonic(), Flag()

    def stop() -> None:
        stopped.set()  # libraries swallow the exception at times, so the next job looks at this
        raise KeyboardInterrupt

    try:
        who = getattr(asked, "executor", "local"), getattr(asked, "ray_address", "")
        with on_stop(stop), executor(*who, asked.device) as made_by:
            pronounce(asked)
            made = JOBS[asked.command](asked, Desk(asked.work, asked.device, show.event, stopped, executor=made_by))
    except RetacError as error:
        return fail(show, error)
    except KeyboardInterrupt:
        return fail(show, Cancelled(STOPPED))
    show.done(made, time.monotonic() - began)
    return 0


def shown(asked: argparse.Namespace) -> "Show":
    if asked.command == "farm task":
        from retac_node.farm.lines import FarmLines

        return FarmLines()
    if asked.command == "farm batch" and not asked.json:
        from retac_node.farm.telling import BatchLines

        return BatchLines()
    from retac_node import progress

    return progress.choose(asked.json)


def speak(asked: argparse.Namespace) -> int:
    """Runs a command that speaks to a render node."""
    from retac_node import progress

    show, began = progress.choose(asked.json), time.monotonic()
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # a request to end is a Ctrl-C
    try:
        need_zmq()
        pronounce(asked)
        from retac_node import remote
        from retac_node.talk import talk_with

        with talk_with(asked.node, asked.key, show, asked.json) as talk:
            made = remote.COMMANDS[asked.command](asked, talk)
    except RetacError as error:
        return fail(show, error)
    except KeyboardInterrupt:
        return fail(show, Cancelled(STOPPED))
    if made is not None or asked.json:
        show.done(made or remote.Nothing(), time.monotonic() - began)
    return 0


def pronounce(asked: argparse.Namespace) -> None:
    """Writes the user's own pronunciations into the line."""
    if getattr(asked, "text", ""):
        from retac_node import lexicon

        asked.text = lexicon.pronounced(asked.text, asked.lexicon)


def need_zmq() -> None:
    if find_spec("zmq") is None:
        raise BadInput(
            "render nodes and their clients need pyzmq, which is not installed; run: pip install 'retac[node]'"
        )


def look_after(asked: argparse.Namespace) -> int:
    """Runs a command that looks after the installation."""
    try:
        LOOKING_AFTER[asked.command](asked)
    except RetacError as error:
        print(f"retac: {error}", file=sys.stderr)
        return error.exit_code
    return 0


def fail(show: "Show", error: RetacError) -> int:
    show.failed(error)
    if isinstance(error, Cancelled):  # a stage may be deep in a library, and libraries take their time to close
        leave(error.exit_code)
    return error.exit_code


def leave(code: int) -> NoReturn:
    """Ends the process at once, whatever its threads are at."""
    for stream in (sys.stdout, sys.stderr):
        with suppress(BrokenPipeError):
            stream.flush()
    os._exit(code)


# ---- commands that run jobs


def dub(asked: argparse.Namespace, desk: "Desk") -> Any:
    from retac_node import dub

    return dub.dub(wished(asked, asked.output), desk)


def wished(asked: argparse.Namespace, output: Path | None) -> "Wish":
    from retac_node.dub import Wish

    given = {name: value for name, value in vars(asked).items() if name in Wish.__dataclass_fields__}
    return Wish(**{**given, "output": output or Path(f"{asked.clip.stem}_dub.mp4")})


def solve(asked: argparse.Namespace, desk: "Desk") -> Any:
    from retac_node import solve

    return solve.solve(asked.clip, asked.output, asked.subject, asked.lens, desk)


def voice(asked: argparse.Namespace, desk: "Desk") -> Any:
    from retac_node import speak

    return speak.speak(asked.reference, asked.text, asked.engine, asked.output, asked.timing, desk)


def evaluate(asked: argparse.Namespace, desk: "Desk") -> Any:
    from retac_node import evaluate

    def run_job(spec: Any, sources: Any, wanted: tuple[str, ...]) -> dict[str, Any]:
        return {"ingest": desk.look(spec, sources)} if wanted == ("ingest",) else desk.run(spec, sources, wanted)

    options = evaluate.EvaluateOptions(asked.quality, asked.train_minutes, asked.seed, asked.subject, asked.lens)
    return evaluate.evaluate(asked.clip, asked.train_end, asked.output, options, run_job)


def farm_openjd(asked: argparse.Namespace, desk: "Desk") -> Any:
    from retac_node.farm import openjd

    wish = wished(asked, asked.video)
    if asked.job is not None:
        wish = openjd.completed(wish, openjd.read(asked.job))
    return openjd.bundle(wish, asked.bundle, openjd.Farm(asked.shares, asked.gpu), desk)


def farm_task(asked: argparse.Namespace, desk: "Desk") -> Any:
    from retac_node.farm import task

    return task.make(task.Part(**{name: getattr(asked, name) for name in task.Part.__dataclass_fields__}), desk)


def farm_batch(asked: argparse.Namespace, desk: "Desk") -> Any:
    from retac_node.farm import batch

    given = {name: value for name, value in vars(asked).items() if name in batch.Plan.__dataclass_fields__}
    page = asked.output or asked.file.with_suffix(".batch.html")
    return batch.batch(batch.Plan(**{**given, "page": page, "defaults": dict(asked.set)}), desk)


JOBS = {
    "dub": dub,
    "solve": solve,
    "voice": voice,
    "evaluate": evaluate,
    "farm openjd": farm_openjd,
    "farm task": farm_task,
    "farm batch": farm_batch,
}

# ---- commands that look after the model files


def assets_list(asked: argparse.Namespace) -> None:
    from retac_node import assets

    print(f"model files in {assets.folder()}\n")
    for asset in assets.table():
        state = "here" if assets.available(asset.name) else "not here"
        need = f"needed by {asset.stage}" if asset.required else f"optional for {asset.stage}"
        print(f"{asset.name:18} {asset.size / 1e6:6.1f} MB  {state:8}  {need:24}  {asset.licence}")


def assets_fetch(asked: argparse.Namespace) -> None:
    from retac_node import assets

    assets.fetch(asked.names or assets.dubbing_names(), print)


def assets_verify(asked: argparse.Namespace) -> None:
    """Fails for a model file that is wrong, or missing and needed."""
    from retac_node import assets

    found = [assets.find(name) for name in assets.verify(print)]
    bad = [asset.name for asset in found if asset.required or (assets.folder() / asset.place).exists()]
    if bad:
        raise BadInput(f"not right or not here: {', '.join(bad)}; run: retac assets fetch {' '.join(bad)}")


def verify(asked: argparse.Namespace) -> None:
    from retac_node import verify

    verdict = verify.verify(asked.file)
    if asked.json:
        print(json.dumps(dataclasses.asdict(verdict)))
    sentence = verify.told(verdict, asked.file.name)
    if not asked.json:
        print(sentence)


# ---- commands about render nodes

REMOTE = ("submit", "jobs", "watch", "cancel", "resume", "fetch", "metrics")  # remote.py has them


def serve(asked: argparse.Namespace) -> None:
    need_zmq()
    from retac_node import nodeconfig, server

    server.serve(nodeconfig.load(asked.config))


def keys_folder(asked: argparse.Namespace) -> Path:
    from retac_node import config, nodeconfig

    need_zmq()
    return nodeconfig.load(asked.config).keys or config.user_folder("config", os.environ) / "keys"


def keys_new(asked: argparse.Namespace) -> None:
    folder = keys_folder(asked)
    from retac_node import keys

    made = keys.new_client(folder, asked.name, asked.role, asked.output or Path(f"{asked.name}.key"))
    print(f"{made} is the key of {asked.name}: give it to that client alone, and remove it here")


def keys_list(asked: argparse.Namespace) -> None:
    folder = keys_folder(asked)
    from retac_node import keys

    for client in keys.listed(folder):
        print(f"{client.name:24} {client.role}")


def keys_remove(asked: argparse.Namespace) -> None:
    folder = keys_folder(asked)
    from retac_node import keys

    keys.remove(folder, asked.name)


LOOKING_AFTER = {
    "assets list": assets_list,
    "assets fetch": assets_fetch,
    "assets verify": assets_verify,
    "verify": verify,
    "serve": serve,
    "keys new": keys_new,
    "keys list": keys_list,
    "keys remove": keys_remove,
}
