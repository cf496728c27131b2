"""A node on this machine, started from Blender and ended with it.  No bpy here.

Between Blender and the node stands a small process that waits for Blender's end of a pipe to close: so the node also
goes when Blender crashes or is killed.
"""

import json
import shutil
import subprocess
import sys
from pathlib import Path

GUARD = """
import os, subprocess, sys, threading
node = subprocess.Popen(sys.argv[1:], stdin=subprocess.DEVNULL)
threading.Thread(target=lambda: os._exit(node.wait() & 255), daemon=True).start()
sys.stdin.read()
node.terminate()
node.wait()
"""
LOCAL = ("127.", "localhost", "[::1]")
PATIENCE = 10.0  # seconds that it has to stop

process: subprocess.Popen | None = None
log = Path()


class CannotStart(Exception):
    """The program is not there; the message says what to do."""


def is_local(address: str) -> bool:
    return address.removeprefix("tcp://").startswith(LOCAL)


def program(chosen: str) -> str:
    """Gives the program to run.  Raises CannotStart."""
    found = shutil.which(chosen or "retac")
    if found is None:
        raise CannotStart(
            f"{chosen} is not a program; choose `retac` of the place where Re-TTAC is installed"
            if chosen
            else "the program `retac` is not found; install Re-TTAC, and choose its program in the add-on's preferences"
        )
    return found


def start(chosen: str, address: str, folder: Path) -> None:
    """Starts a node at that address; its settings and its log go into the folder.  Raises CannotStart."""
    global process, log
    stop()
    command = program(chosen)
    folder.mkdir(parents=True, exist_ok=True)
    settings, log = folder / "node.yaml", folder / "node.log"
    lines = {"bind": address, "devices": devices()}
    settings.write_text("".join(f"{name}: {json.dumps(value)}\n" for name, value in lines.items()), encoding="utf-8")
    with open(log, "wb") as output:
        process = subprocess.Popen(
            [sys.executable, "-I", "-c", GUARD, command, "serve", "--config", str(settings)],
            stdin=subprocess.PIPE,
            stdout=output,
            stderr=output,
        )


def devices() -> list[str]:
    """Gives a worker for each GPU of NVIDIA, else one for the CPU."""
    tool = shutil.which("nvidia-smi")
    if tool is None:
        return ["cpu"]
    try:
        told = subprocess.run([tool, "-L"], capture_output=True, text=True, timeout=5, check=False).stdout
    except (OSError, subprocess.SubprocessError):
        return ["cpu"]
    return [f"cuda:{n}" for n in range(told.count("GPU "))] or ["cpu"]


def running() -> bool:
    return process is not None and process.poll() is None


def failure() -> str:
    """Says why the node ended by itself; "" where it runs or was never started."""
    if process is None or process.poll() in (None, 0):
        return ""
    lines = log.read_text(encoding="utf-8", errors="replace").split("\n") if log.exists() else []
    said = [line.strip() for line in lines if line.strip() and not line.startswith("{")]
    return said[-1] if said else f"the node ended with code {process.returncode}; see {log}"


def stop() -> None:
    """Ends the node, if one was started; its jobs go on when it is started again."""
    global process
    if process is None:
        return
    assert process.stdin is not None
    process.stdin.close()
    try:
        process.wait(PATIENCE)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
    process = None
