"""A batch over stages that need no footage and no nets; run as a program it is the command line over them.

Each voice leaves its worker's process and its text in RETAC_HOME/voices.  The text "broken" always makes a mistake, "shaky"
and "dies" only the first time: the one raises, the other takes its worker along.  "waiting" waits for RETAC_HOME/go.
"""

import dataclasses
import os
import signal
import sys
import time
from pathlib import Path
from typing import Any

from retac_node import cli, desk
from retac_node.data import Report, Speech
from retac_node.farm import batch, bench
from tests import fake_node

CLIP = b"a clip"  # nobody decodes it


def voices() -> list[tuple[str, str]]:
    """Process and text of each voice that was begun."""
    file = Path(os.environ["RETAC_HOME"]) / "voices"
    return [(pid, text) for pid, _, text in (row.partition(" ") for row in file.read_text().splitlines())]


def voice(ctx: Any, options: Any, clip: Any) -> Speech:
    first = not any(text == options.text for _, text in voices())
    with open(Path(os.environ["RETAC_HOME"]) / "voices", "a") as file:
        file.write(f"{os.getpid()} {options.text}\n")
    if options.text == "broken" or (options.text == "shaky" and first):
        raise KeyError("a mistake of ours")
    if options.text == "dies" and first:
        os.kill(os.getpid(), signal.SIGKILL)
    while options.text == fake_node.BLOCK and not Path(os.environ["RETAC_HOME"], "go").exists():
        ctx.progress(0.5, fake_node.BLOCK)
        time.sleep(0.02)
    return fake_node.voice(ctx, options, clip)


def report(ctx: Any, options: Any, *inputs: Any) -> Report:
    made = fake_node.report(ctx, options, *inputs)
    (ctx.folder / "picture.jpg").write_bytes(b"a picture")
    return dataclasses.replace(made, figures={"voice similarity": 0.75, "seconds": float("nan")}, picture="picture.jpg")


TABLE = fake_node.TABLE | {
    fake.__name__: dataclasses.replace(fake_node.TABLE[fake.__name__], run=fake) for fake in (voice, report)
}
CRAFT = bench.craft(TABLE)

if __name__ == "__main__":
    desk.STAGES = batch.STAGES = TABLE
    batch.CRAFT = "tests.fake_batch:CRAFT"
    sys.exit(cli.main())
