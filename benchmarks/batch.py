"""What driving a large batch costs beside the work: a thousand shots over stages that do nothing, on two workers.

    python benchmarks/batch.py [--shots 1000] [--clips 20] [--workers 2]

Each shot has its whole plan, its files and its record.  Told are the seconds of processor time of the batch itself and
of its workers, and the most memory that each of them held.  Nothing is asserted.
"""

import argparse
import json
import os
import resource
import sys
import tempfile
import time
from pathlib import Path
from threading import Event as Flag

sys.path[:0] = [str(Path(__file__).parents[1])]
os.environ["PYTHONPATH"] = os.pathsep.join((sys.path[0], os.environ.get("PYTHONPATH", "")))

from retac_node.desk import Desk  # noqa: E402
from retac_node.farm import batch  # noqa: E402
from tests import fake_batch  # noqa: E402


def main() -> None:
    parser = argparse.ArgumentParser("benchmarks/batch.py", description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--shots", type=int, default=1000)
    parser.add_argument("--clips", type=int, default=20)
    parser.add_argument("--workers", type=int, default=2)
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        os.environ["RETAC_HOME"] = name
        (folder / "voices").touch()
        print(f"{asked.shots} shots on {asked.clips} clips, {asked.workers} workers, {os.cpu_count()} processors\n")
        print(f"{'':28}{'wall, s':>10}{'batch, s':>10}{'workers, s':>12}{'batch, MB':>11}{'a worker, MB':>14}")
        for how in ("first run", "again, --resume"):
            told = run(write(folder, asked.shots, asked.clips), asked.workers, how.endswith("--resume"))
            print(f"{how:28}{told}")
        told = json.loads((folder / "shots.batch.json").read_text())["totals"]
        print(f"\ndone {told['done']}, failed {told['failed']}, kept {told['kept']}")


def write(folder: Path, count: int, clips: int) -> Path:
    for n in range(clips):
        (folder / f"clip{n}.mp4").write_bytes(f"clip {n}".encode())
    rows = "".join(f'clip{n % clips}.mp4,"Line {n}, spoken.",out/{n:04d}.mp4\n' for n in range(count))
    (folder / "shots.csv").write_text("clip,text,output\n" + rows)
    return folder / "shots.csv"


def run(file: Path, workers: int, resume: bool) -> str:
    plan = batch.Plan(file, file.with_suffix(".batch.html"), {}, workers, resume=resume)
    began, before, children = time.monotonic(), *(resource.getrusage(who) for who in WHO)
    batch.batch(plan, Desk(None, "cpu", lambda event: None, Flag()), fake_batch.TABLE, "tests.fake_batch:CRAFT")
    wall = time.monotonic() - began
    after, ended = (resource.getrusage(who) for who in WHO)
    cpu, work = (b.ru_utime + b.ru_stime - a.ru_utime - a.ru_stime for a, b in ((before, after), (children, ended)))
    return f"{wall:10.1f}{cpu:10.1f}{work:12.1f}{after.ru_maxrss / 1024:11.0f}{ended.ru_maxrss / 1024:14.0f}"


WHO = resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN

if __name__ == "__main__":
    main()
