"""What can be asked for on the command line about farms, and how it is explained.  Never runs anything."""

import argparse
from pathlib import Path
from typing import Any

from retac_node.arguments_line import add_common, add_device, add_executor, add_learning, add_lexicon, add_line, count
from retac_node.farm.steps import NAMES


def add_farm(commands: Any) -> None:
    command = commands.add_parser("farm", help="have a render farm make shots", description="Shots made on many hosts.")
    actions = command.add_subparsers(title="actions", metavar="ACTION", required=True)
    add_openjd(actions)
    add_task(actions)
    add_batch(actions)


def add_openjd(actions: Any) -> None:
    about = (
        "Writes a job bundle of Open Job Description: template.yaml with steps and parameters, their values, and the "
        "job itself.  Farms that take such bundles run it as it is, and so does `openjd run`.  Each step is `retac farm "
        "task`, so a host needs retac on its path, the model files, and the folder given as --work."
    )
    command = actions.add_parser("openjd", help="write a job for a farm (Open Job Description)", description=about)
    add_line(command)
    command.add_argument(
        "-o", "--output", dest="bundle", type=Path, required=True, metavar="BUNDLE", help="new folder for the job"
    )
    command.add_argument(
        "--video",
        type=Path,
        metavar="OUT.mp4",
        help="what the farm shall make, .mp4 or .mov (default: CLIP's name with _dub.mp4, in this folder)",
    )
    command.add_argument(
        "--job",
        type=Path,
        metavar="JOB.json",
        help="a saved job, job.json of another bundle; what is given beside it comes before what it says",
    )
    command.add_argument(
        "--shares",
        type=positive,
        metavar="N",
        help="tasks among which the frames are shared (default: one for 32 frames of the clip, up to 16)",
    )
    command.add_argument("--gpu", action="store_true", help="have only hosts with a GPU solve, train and draw")
    add_learning(command)
    add_common(command)
    command.set_defaults(command="farm openjd")


def add_task(actions: Any) -> None:
    about = "Makes one step of a job, or a share of it, where a farm runs it; bundles of `retac farm openjd` call it."
    command = actions.add_parser("task", help="make one step of a farm's job", description=about)
    command.add_argument("step", choices=NAMES, metavar="STEP", help="one of %(choices)s")
    command.add_argument("--job", type=Path, required=True, metavar="JOB.json", help="the job")
    command.add_argument("--clip", type=Path, required=True, metavar="CLIP", help="its clip")
    command.add_argument("--audio", type=Path, metavar="LINE.wav", help="its recorded line")
    command.add_argument("--voice", type=Path, metavar="REF.wav", help="its recording of the voice")
    command.add_argument("--motion", type=Path, metavar="EDITED.npz", help="its edited curves")
    command.add_argument("--text", dest="line", default="", help="another line than the job's")
    command.add_argument(
        "--share", type=share, default=(0, 1), metavar="I/N", help="the I-th of N shares of the frames (default: all)"
    )
    command.add_argument("--cache", dest="work", type=Path, metavar="DIR", help="folder that all steps share")
    command.add_argument("--output", type=Path, required=True, metavar="OUT.mp4", help="the result")
    command.add_argument("--frames", type=Path, metavar="DIR", help="folder of the result as PNG")
    command.add_argument("--mattes", type=Path, metavar="DIR", help="folder of its mattes")
    add_device(command)
    command.set_defaults(command="farm task")


def add_batch(actions: Any) -> None:
    about = (
        "Makes the shots of a list, YAML or CSV, whose columns are the options of `retac dub`; docs/FARM.md has them all. "
        "Every row is checked before anything starts; a row that cannot run, or fails, stops no other.  Shots on one clip "
        "share its solve and its training.  Leaves one page about all shots, and the same as JSON.  Exit codes: 0 all "
        "are done, 1 some failed, 2 the list cannot be used."
    )
    command = actions.add_parser("batch", help="make the shots of a list", description=about)
    command.add_argument(
        "file", type=Path, metavar="SHOTS", help="the list, .yaml or .csv; its paths are relative to it"
    )
    command.add_argument(
        "-o", "--output", type=Path, metavar="PAGE.html", help="the page (default: SHOTS' name with .batch.html)"
    )
    command.add_argument(
        "--resume",
        action="store_true",
        help="leave shots as they are that an earlier run has finished as asked for now",
    )
    command.add_argument("--check", action="store_true", help="only tell what is wrong with the rows")
    command.add_argument("--strict", action="store_true", help="start nothing if a row cannot run")
    command.add_argument(
        "--workers", type=positive, metavar="N", help="shots at a time (default: one for each GPU, or 1)"
    )
    command.add_argument(
        "--set",
        type=setting,
        action="append",
        default=[],
        metavar="COLUMN=VALUE",
        help="what stands in a column where a row leaves it empty, for example quality=final; may be repeated",
    )
    command.add_argument("--require-consent", action="store_true", help="refuse rows that name no consent")
    add_lexicon(command)
    add_common(command)
    add_executor(command)
    command.set_defaults(command="farm batch")


def setting(text: str) -> tuple[str, str]:
    name, sign, value = text.partition("=")
    if not sign:
        raise argparse.ArgumentTypeError(f"{text} is no setting; write COLUMN=VALUE")
    return name.strip(), value


def positive(text: str) -> int:
    value = count(text)
    if value == 0:
        raise ValueError
    return value


def share(text: str) -> tuple[int, int]:
    """Reads "3/8", the third of eight, as (2, 8)."""
    number, _, total = text.partition("/")
    index, shares = int(number) - 1, int(total)
    if not 0 <= index < shares:
        raise argparse.ArgumentTypeError(f"{text} is not a share; write the third of eight as 3/8")
    return index, shares
