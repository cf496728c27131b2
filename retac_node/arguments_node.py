"""What can be asked for on the command line about render nodes, and how it is explained.  Never runs anything."""

import argparse
from pathlib import Path
from typing import Any

from retac_node.arguments_line import add_learning, add_line, add_output

NODE = "tcp://127.0.0.1:7420"  # where `retac serve` listens when nothing else is said


def add_remote(commands: Any) -> None:
    add_serve(commands)
    add_submit(commands)
    add_jobs(commands)
    add_watch(commands)
    add_command(commands, "cancel", "stop jobs on a render node", "Stops jobs; what they have finished is kept.")
    add_command(commands, "resume", "run jobs again", "Puts jobs that ended into the queue again.")
    add_fetch(commands)
    add_metrics(commands)
    add_keys(commands)


def add_serve(commands: Any) -> None:
    about = (
        "Runs a render node, until Ctrl-C: it takes jobs from `retac submit` and from Blender, one at a time for each "
        "device.  Stopped or killed, it loses no job.  Without settings it listens to this machine only."
    )
    command = commands.add_parser("serve", help="run a render node", description=about)
    command.add_argument("--config", type=Path, metavar="node.yaml", help="settings of the node (default: none)")
    command.set_defaults(command="serve")


def add_submit(commands: Any) -> None:
    about = (
        "Has a render node make the clip say a new line.  Files that the node lacks are sent to it.  Prints the job's "
        "number; with --wait, or -o, it shows how the job goes on and fetches what `retac dub` would leave here."
    )
    command = commands.add_parser("submit", help="have a render node make a clip say a line", description=about)
    add_line(command)
    add_output(command)
    add_learning(command)
    command.add_argument(
        "--goal",
        choices=("solve", "line", "dub"),
        default="dub",
        help="how far to go: the head, the voice and the curves as well, the shot (default: %(default)s)",
    )
    command.add_argument("--wait", action="store_true", help="stay until the job has ended, and fetch the result")
    command.add_argument("--priority", type=int, default=0, metavar="N", help="higher runs first, -100 to 100")
    command.add_argument(
        "--label", default="", metavar="TEXT", help="your own words for the job (default: CLIP's name)"
    )
    add_node(command)
    command.set_defaults(command="submit")


def add_jobs(commands: Any) -> None:
    command = commands.add_parser(
        "jobs", help="list a render node's jobs", description="Prints a line for each of your jobs, the newest first."
    )
    command.add_argument("--limit", type=int, default=50, metavar="N", help="at most (default: %(default)s)")
    add_node(command)
    command.set_defaults(command="jobs")


def add_watch(commands: Any) -> None:
    command = commands.add_parser(
        "watch",
        help="see how a job goes on",
        description="Shows a job until it has ended.  Ctrl-C ends the watching; the job goes on.",
    )
    command.add_argument("job", metavar="JOB", help="its number, or the first digits of it")
    add_node(command)
    command.set_defaults(command="watch")


def add_command(commands: Any, name: str, short: str, about: str) -> None:
    command = commands.add_parser(name, help=short, description=about)
    command.add_argument("jobs", nargs="+", metavar="JOB", help="its number, or the first digits of it")
    add_node(command)
    command.set_defaults(command=name)


def add_fetch(commands: Any) -> None:
    about = (
        "Fetches the files that a job has made so far, finished or not; those that are in the folder already are left "
        "as they are.  Previews come only when they are asked for."
    )
    command = commands.add_parser("fetch", help="get the files of a job", description=about)
    command.add_argument("job", metavar="JOB", help="its number, or the first digits of it")
    command.add_argument("-o", "--output", type=Path, required=True, metavar="DIR", help="folder for the files")
    command.add_argument(
        "--only", action="append", metavar="PATTERN", help="only these, such as 'motion.npz' or 'preview/*'"
    )
    add_node(command)
    command.set_defaults(command="fetch")


def add_metrics(commands: Any) -> None:
    command = commands.add_parser(
        "metrics",
        help="see how a render node is doing",
        description="Prints the node's figures, a name and a value a line.",
    )
    add_node(command)
    command.set_defaults(command="metrics")


def add_keys(commands: Any) -> None:
    command = commands.add_parser(
        "keys", help="say who may use a render node", description="Makes and removes the keys of a node's clients."
    )
    actions = command.add_subparsers(title="actions", metavar="ACTION", required=True)
    new = actions.add_parser(
        "new",
        help="let a new client in",
        description="Makes a client's key.  The file it writes is a secret: give it to that client alone.",
    )
    new.add_argument("name", metavar="NAME", help="of the client: letters, digits, dots, dashes, underscores")
    new.add_argument(
        "--role",
        choices=("submit", "admin"),
        default="submit",
        help="its own jobs, or everybody's (default: %(default)s)",
    )
    new.add_argument(
        "-o", "--output", type=Path, metavar="FILE", help="the key file (default: NAME.key, in this folder)"
    )
    new.set_defaults(command="keys new")
    shown = actions.add_parser("list", help="show who is let in")
    shown.set_defaults(command="keys list")
    remove = actions.add_parser("remove", help="lock a client out, within a second")
    remove.add_argument("name", metavar="NAME", help="as `retac keys list` shows it")
    remove.set_defaults(command="keys remove")
    for action in (new, shown, remove):
        action.add_argument(
            "--config", type=Path, metavar="node.yaml", help="the node's settings, which name the folder"
        )


def add_node(command: argparse.ArgumentParser) -> None:
    command.add_argument(
        "--node", default=NODE, metavar="ADDR", help="address of the node, tcp://HOST:PORT (default: %(default)s)"
    )
    command.add_argument("--key", type=Path, metavar="FILE", help="your key file; a node of this machine may need none")
    command.add_argument("--json", action="store_true", help="tell each event as a line of JSON on standard output")
