"""A node process over made-up stages, started with the project's own Python: Blender's has none of its libraries."""

import os
import subprocess
from pathlib import Path

ROOT = Path(__file__).parents[2]
PYTHON = Path(
    os.environ.get("RETAC_PYTHON") or ROOT / ".venv" / ("Scripts/python.exe" if os.name == "nt" else "bin/python")
)
SERVE = """
import sys
from pathlib import Path
from retac_node import nodeconfig, server
server.serve(nodeconfig.load(Path(sys.argv[1])), "tests.blender.fake_shots:CRAFT")
"""


def environment(**more: str) -> dict[str, str]:
    return {**os.environ, "PYTHONPATH": os.pathsep.join((str(ROOT), str(ROOT / "shared"))), **more}


def make_clip(path: Path) -> Path:
    """Two seconds of 160 x 96 at 25 frames a second, each frame showing its number in bars, with sound."""
    command = [str(PYTHON), "-m", "tests.blender.fake_shots", str(path)]
    subprocess.run(command, env=environment(), check=True, cwd=ROOT)
    return path


class Node:
    def __init__(self, folder: Path, pause: float = 0.0) -> None:
        self.home, self.pause, self.port = folder, pause, 0
        self.home.mkdir(parents=True, exist_ok=True)
        self.start()

    def start(self) -> None:
        """Starts it, at the port that it had before."""
        file = self.home / "node.yaml"
        file.write_text(f"home: {str(self.home)!r}\nbind: 'tcp://127.0.0.1:{self.port or '*'}'\n")
        with (self.home / "log").open("a") as log:
            self.process = subprocess.Popen(
                [str(PYTHON), "-c", SERVE, str(file)],
                stdout=subprocess.PIPE,
                stderr=log,
                env=environment(FAKE_STAGE=str(self.pause)),
                text=True,
            )
        assert self.process.stdout is not None
        line = self.process.stdout.readline()
        assert "listens on" in line, (self.home / "log").read_text()[-2000:]
        self.address = line.split("listens on ")[1].split(";")[0]
        self.port = int(self.address.rpartition(":")[2])

    def kill(self) -> None:
        self.process.kill()
        self.process.wait()
        assert self.process.stdout is not None
        self.process.stdout.close()

    def __enter__(self) -> "Node":
        return self

    def __exit__(self, *_: object) -> None:
        self.kill()
