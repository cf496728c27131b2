"""The options that several commands share: the line, the learning, the place of work.  Never runs anything."""

import argparse
import math
from pathlib import Path
from typing import get_args

from retac_shared.options import EngineName


def add_line(command: argparse.ArgumentParser) -> None:
    """Adds the clip, what it shall say, and what is made of it."""
    command.add_argument("clip", type=Path, metavar="CLIP", help="video of a person talking, 5 to 60 s")
    command.add_argument("--text", default="", help="the line to be spoken, in English")
    add_lexicon(command)
    command.add_argument(
        "--audio",
        type=Path,
        metavar="LINE.wav",
        help="a recording of the line, used as it is; with --text its words are found in it",
    )
    command.add_argument(
        "--start",
        type=number,
        metavar="S",
        help="replace the clip from this time on, seconds; the rest of the clip stays",
    )
    command.add_argument(
        "--end",
        type=number,
        metavar="S",
        help="and up to this time, seconds (default: no range, the result is as long as the line)",
    )
    command.add_argument(
        "--pose",
        choices=("source", "predicted"),
        default="source",
        help="move the head as the clip does, or as the line suggests (default: %(default)s)",
    )
    command.add_argument(
        "--motion", type=Path, metavar="EDITED.npz", help="edited curves that replace the predicted ones"
    )
    command.add_argument(
        "--voice", type=Path, metavar="REF.wav", help="recording of the voice to clone (default: the clip's own sound)"
    )
    add_engine(command)
    command.add_argument(
        "--frames",
        type=Path,
        metavar="DIR",
        help="write every frame as PNG too, into this new folder",
    )
    command.add_argument(
        "--mattes",
        type=Path,
        metavar="DIR",
        help="write for every frame where the plate was replaced, as grey PNG, into this new folder",
    )
    command.add_argument(
        "--consent", default="", metavar="REF", help="reference of the person's consent, kept in the result's metadata"
    )


def add_output(command: argparse.ArgumentParser) -> None:
    command.add_argument(
        "-o",
        "--output",
        type=Path,
        metavar="OUT.mp4",
        help="the result, .mp4 or .mov (default: CLIP's name with _dub.mp4, in this folder)",
    )


def add_lexicon(command: argparse.ArgumentParser) -> None:
    command.add_argument(
        "--lexicon",
        type=Path,
        metavar="FILE",
        help="how words are spoken, a line each: WORD  PHONES in ARPABET, or /IPA/; in a text: [Nguyen](W IH1 N)",
    )


def add_engine(command: argparse.ArgumentParser) -> None:
    command.add_argument(
        "--engine",
        choices=get_args(EngineName),
        default="kokoro",
        metavar="NAME",
        help="what speaks the line: %(choices)s; all but kokoro need files of yours (default: %(default)s)",
    )


def add_learning(command: argparse.ArgumentParser) -> None:
    command.add_argument(
        "--quality",
        choices=("draft", "final"),
        default="draft",
        help="minutes of work, or more of them (default: %(default)s)",
    )
    command.add_argument(
        "--train-minutes",
        type=number,
        metavar="M",
        help="minutes of training on the person (default: 1 for draft, 8 for final)",
    )
    command.add_argument(
        "--seed",
        type=count,
        default=0,
        metavar="N",
        help="another number gives another training (default: %(default)s)",
    )
    add_subject(command)


def add_subject(command: argparse.ArgumentParser) -> None:
    command.add_argument(
        "--subject", type=count, metavar="N", help="which person, 0 has the largest face (default: chosen)"
    )
    command.add_argument(
        "--lens",
        type=number,
        metavar="MM",
        help="focal length the shot was taken with, on film 36 mm wide (default: guessed; no picture tells it)",
    )


def add_common(command: argparse.ArgumentParser) -> None:
    command.add_argument(
        "--work",
        type=Path,
        metavar="DIR",
        help="folder that keeps finished steps, to go on from (default: the user's cache folder)",
    )
    add_device(command)
    command.add_argument("--json", action="store_true", help="tell each event as a line of JSON on standard output")


def add_device(command: argparse.ArgumentParser) -> None:
    command.add_argument(
        "--device", choices=("auto", "cpu", "cuda"), default="auto", help="where to compute (default: %(default)s)"
    )


def add_executor(command: argparse.ArgumentParser) -> None:
    command.add_argument(
        "--executor",
        choices=("local", "ray"),
        default="local",
        help="who does the work: this process, or workers of Ray, several at once (default: %(default)s)",
    )
    command.add_argument(
        "--ray-address",
        default="",
        metavar="HOST:PORT",
        help="the Ray cluster, which sees --work under the same path (default: one on this machine, ended with the job)",
    )


def number(text: str) -> float:
    value = float(text)
    if not math.isfinite(value):
        raise ValueError
    return value


def count(text: str) -> int:
    value = int(text)
    if value < 0:
        raise ValueError
    return value
