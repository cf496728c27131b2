"""The node that Blender starts on its own machine: it is there, and goes when Blender does, however that ends."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from retac_shared.client import Client

from blender_addon import localnode
from tests.fake_router import free_port

ROOT = Path(__file__).parents[1]
PROGRAM = """#!{python}
import sys
from retac_node.__main__ import main
sys.exit(main())
"""
BLENDER = """
import sys, time
from pathlib import Path
from blender_addon import localnode
localnode.start(sys.argv[1], sys.argv[2], Path(sys.argv[3]))
print("started", flush=True)
time.sleep(60)
"""


@pytest.fixture
def program(tmp_path, monkeypatch):
    """`retac`, with a home of its own."""
    monkeypatch.setenv("RETAC_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join((str(ROOT), str(ROOT / "shared"))))
    monkeypatch.setattr(localnode, "devices", lambda: ["cpu"])
    path = tmp_path / "retac"
    path.write_text(PROGRAM.format(python=sys.executable))
    path.chmod(0o755)
    yield str(path)
    localnode.stop()


def answers(address: str, seconds: float = 30) -> bool:
    end = time.monotonic() + seconds
    with Client(address) as client:
        while client.link.state != "connected" and time.monotonic() < end:
            time.sleep(0.05)
        return client.link.state == "connected"


def gone(address: str, seconds: float = 20) -> bool:
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if not answers(address, 0.5):
            return True
    return False


def test_it_runs_until_it_is_stopped(program, tmp_path):
    address = f"tcp://127.0.0.1:{free_port()}"
    localnode.start(program, address, tmp_path / "node")
    assert answers(address)
    assert localnode.running()
    localnode.stop()
    assert gone(address)
    assert (localnode.running(), localnode.failure()) == (False, "")


def test_it_ends_when_blender_is_killed(program, tmp_path):
    address = f"tcp://127.0.0.1:{free_port()}"
    command = [sys.executable, "-c", BLENDER, program, address, str(tmp_path / "node")]
    blender = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    assert blender.stdout.readline() == "started\n"
    assert answers(address)
    blender.send_signal(signal.SIGKILL)
    blender.wait()
    assert gone(address)


def test_why_it_ended_is_said(program, tmp_path):
    localnode.start(program, "tcp://256.1.1.1:7420", tmp_path / "node")
    localnode.process.wait(30)
    assert "retac" in localnode.failure() or "256.1.1.1" in localnode.failure()


def test_a_program_that_is_not_there_is_said(tmp_path):
    with pytest.raises(localnode.CannotStart, match="is not a program"):
        localnode.start(str(tmp_path / "none"), "tcp://127.0.0.1:7420", tmp_path)


@pytest.mark.parametrize(
    ("address", "local"),
    [
        ("tcp://127.0.0.1:7420", True),
        ("tcp://[::1]:7420", True),
        ("tcp://localhost:1", True),
        ("tcp://10.0.0.7:7", False),
    ],
)
def test_loopback_is_told_from_a_network(address, local):
    assert localnode.is_local(address) is local
