"""What can be asked for on the command line, and how it is explained.  Never runs anything."""

import argparse
from pathlib import Path
from typing import Any, NoReturn

from retac_node.arguments_farm import add_farm
from retac_node.arguments_line import (
    add_common,
    add_engine,
    add_executor,
    add_learning,
    add_lexicon,
    add_line,
    add_output,
    add_subject,
    number,
)
from retac_node.arguments_node import add_remote

ABOUT = """\
Re-voices a shot: from a clip of a person talking and a new line of text it makes the same shot with that person
saying the new line, in their own voice and with their own way of moving."""

EXAMPLES = """\
examples:
  retac assets fetch
      get the model files, once
  retac dub interview.mp4 --text "We open on Friday."
      write interview_dub.mp4: the same shot, as long as the new line
  retac dub interview.mp4 --text "on Monday" --start 3.2 --end 4.1 -o fixed.mp4
      replace only the words between 3.2 s and 4.1 s and keep the rest of the clip

`retac COMMAND --help` explains a command.  Ctrl-C stops any of them; the same command goes on from there."""


class Parser(argparse.ArgumentParser):
    """Says what is wrong in one line."""

    def error(self, message: str) -> NoReturn:
        self.exit(2, f"retac: {message}; see: {self.prog} --help\n")


def parser() -> Parser:
    top = Parser("retac", description=ABOUT, epilog=EXAMPLES, formatter_class=argparse.RawDescriptionHelpFormatter)
    commands = top.add_subparsers(title="commands", metavar="COMMAND", required=True)
    add_dub(commands)
    add_solve(commands)
    add_voice(commands)
    add_evaluate(commands)
    add_verify(commands)
    add_assets(commands)
    add_farm(commands)
    add_remote(commands)
    return top


def add_dub(commands: Any) -> None:
    about = (
        "Makes the clip say a new line.  Beside OUT.mp4 it leaves OUT.motion.npz, the curves of head and face, to be "
        "edited and given back with --motion, and OUT.report.html, which shows and measures what was made."
    )
    command = commands.add_parser("dub", help="make a clip say a new line", description=about)
    add_line(command)
    add_output(command)
    add_learning(command)
    add_common(command)
    add_executor(command)
    command.set_defaults(command="dub")


def add_solve(commands: Any) -> None:
    about = (
        "Solves the head in a clip.  Writes face.npz (257 coefficients a frame), head.glb (the head, animated) and "
        "overlay.mp4 (the head drawn over the clip)."
    )
    command = commands.add_parser("solve", help="get the 3D head of a clip", description=about)
    command.add_argument("clip", type=Path, metavar="CLIP", help="video of a person talking")
    command.add_argument("-o", "--output", type=Path, required=True, metavar="DIR", help="folder for the three files")
    add_subject(command)
    add_common(command)
    command.set_defaults(command="solve")


def add_voice(commands: Any) -> None:
    command = commands.add_parser(
        "voice", help="speak a line in someone's voice", description="Speaks a line in the voice of a recording."
    )
    command.add_argument(
        "reference", type=Path, metavar="REF", help="sound or video of the person speaking, 1 s or more"
    )
    command.add_argument("--text", required=True, help="the line to be spoken, in English")
    add_lexicon(command)
    command.add_argument("-o", "--output", type=Path, required=True, metavar="OUT.wav", help="the spoken line")
    command.add_argument(
        "--timing", type=Path, metavar="OUT.json", help="write when each word and phoneme is spoken, seconds"
    )
    add_engine(command)
    add_common(command)
    command.set_defaults(command="voice")


def add_evaluate(commands: Any) -> None:
    about = (
        "Measures on the clip itself: learns from its beginning, re-drives the rest by its own sound and compares.  "
        "Writes reenacted.mp4 (the frames from S on) and metrics.json."
    )
    command = commands.add_parser("evaluate", help="measure the quality on a clip", description=about)
    command.add_argument("clip", type=Path, metavar="CLIP", help="video of a person talking")
    command.add_argument(
        "--train-end", type=number, required=True, metavar="S", help="learn from the clip up to this time, seconds"
    )
    command.add_argument("-o", "--output", type=Path, required=True, metavar="DIR", help="folder for the two files")
    add_learning(command)
    add_common(command)
    command.set_defaults(command="evaluate")


def add_verify(commands: Any) -> None:
    about = (
        "Tells whether the sound of a video carries the mark of synthetic speech, where, and what the file says of how "
        "it was made.  Fails where neither is found, or where a line that should be marked is not."
    )
    command = commands.add_parser("verify", help="look for the mark of synthetic speech", description=about)
    command.add_argument("file", type=Path, metavar="OUT.mp4", help="a video, or sound alone")
    command.add_argument("--json", action="store_true", help="tell it as a line of JSON on standard output")
    command.set_defaults(command="verify")


def add_assets(commands: Any) -> None:
    command = commands.add_parser(
        "assets",
        help="list, fetch and check the model files",
        description="Model files made by others: which they are, and getting them.",
    )
    actions = command.add_subparsers(title="actions", metavar="ACTION", required=True)
    actions.add_parser("list", help="show which are here").set_defaults(command="assets list")
    fetch = actions.add_parser(
        "fetch",
        help="get those that are not here",
        description="Fetches model files; without names, all that dubbing needs.",
    )
    fetch.add_argument("names", nargs="*", metavar="NAME", help="as `retac assets list` shows it")
    fetch.set_defaults(command="assets fetch")
    actions.add_parser("verify", help="read them all again and compare").set_defaults(command="assets verify")
