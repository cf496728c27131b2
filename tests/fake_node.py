"""Stages that need no footage and no nets, in the shape of the real ones, for a node's workers; and a bare client.

FAKE_STAGE is the seconds that each stage lasts.  The text "fail" or "mistake" fails; a training of 13 minutes crashes, one
of 14 hears nothing for a minute, and others last as long as they say.  Each run of a stage leaves its task's key as a
line in RETAC_HOME/calls.
"""

import dataclasses
import hashlib
import os
import secrets
import signal
import subprocess
import sys
import time
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import zmq
from retac_shared import messages, wire
from retac_shared.order import Order

from retac_node import recipe
from retac_node.data import Adapted, Clip, FaceMesh, FaceTrack, Frames, Likeness, Motion, Patches, Report, Speech, Video
from retac_node.errors import BadInput
from retac_node.limits import Limits
from retac_node.stages import STAGES
from retac_node.worker import Craft
from tests.fake_dub import UNITS, face_track

ROOT = Path(__file__).parents[1]
FRAMES, CHUNK = 24, 8
BLOCK = "waiting"
PAUSE = float(os.environ.get("FAKE_STAGE", 0))
recipe.CHUNK = CHUNK


def last(ctx: Any, pause: float = PAUSE) -> None:
    """Notes that the stage runs, and takes its time over it."""
    with open(Path(os.environ["RETAC_HOME"]) / "calls", "a") as file:
        file.write(f"{ctx.folder.parent.name}\n")
    for _ in ctx.track(range(max(1, round(pause / 0.02))), label="faking"):
        time.sleep(min(pause, 0.02))


def ingest(ctx: Any, options: Any) -> Clip:
    last(ctx)
    times = np.arange(FRAMES) / 25
    return Clip(
        options.sha256, ctx.source(options.sha256).name, Fraction(25), times, 64, 48, np.zeros(9, np.float32), 16000
    )


def track(ctx: Any, options: Any, clip: Clip) -> FaceTrack:
    last(ctx)
    return face_track(2, 64, 48)


def voice(ctx: Any, options: Any, clip: Clip) -> Speech:
    last(ctx)
    if options.text == "fail":
        raise BadInput("the line cannot be spoken; choose another")
    if options.text == "mistake":
        raise KeyError("a mistake of ours")
    sound = np.frombuffer(hashlib.sha256(f"{options}".encode()).digest(), np.uint8) / np.float32(255)
    return Speech(sound, 16000, (), (), FRAMES / 25, 0.9)


def mesh(ctx: Any, options: Any, clip: Clip, track: Any) -> Likeness:
    last(ctx)
    none, line = np.zeros((1, 3), np.float32), np.zeros((1, 3), np.int32)
    shown = FaceMesh(none, line, none[:, :2], none.astype(np.uint8), none[None], ("jawOpen",))
    return Likeness(shown, np.zeros((4, 4, 3), np.uint8))


def adapt(ctx: Any, options: Any, clip: Clip, track: Any) -> Adapted:
    """Counts in a checkpoint, as a training does."""
    ctx.warn("the light changes")
    minutes = options.train_minutes or 0.0
    if minutes == 13:
        time.sleep(0.3)  # so that the node hears what runs
        os.kill(os.getpid(), signal.SIGSEGV)
    if minutes == 14:
        time.sleep(60)  # deep in a library: no tick
    checkpoint, steps = ctx.folder / "step", round(minutes * 60 / 0.02)
    step = int(checkpoint.read_text() or 0) if checkpoint.exists() else 0
    last(ctx)
    while step < steps:
        ctx.progress(step / steps, "learning")
        time.sleep(0.02)
        step += 1
        checkpoint.write_text(str(step))
    return Adapted({}, str(ctx.folder), {"steps": float(step)})


def motion(ctx: Any, options: Any, clip: Clip, speech: Speech, *inputs: Any) -> Motion:
    last(ctx)
    curve = np.full((FRAMES, 64), speech.samples.mean(), np.float32)
    turn = np.zeros((FRAMES, 3), np.float32)
    return Motion(25.0, curve, turn, turn, np.arange(FRAMES, dtype=np.int32), UNITS)


def render(ctx: Any, options: Any, span: tuple[int, int], *inputs: Any) -> Frames:
    last(ctx)
    shade = np.full((span[1] - span[0], 3, 4, 4), span[0], np.uint8)
    return Frames(span[0], shade, shade[:, :1], shade[:, :1])


def refine(ctx: Any, options: Any, span: tuple[int, int], *inputs: Any) -> Frames:
    last(ctx)
    return inputs[-1]


def composite(ctx: Any, options: Any, span: tuple[int, int], *inputs: Any) -> Patches:
    last(ctx)
    return Patches(span[0], np.zeros((span[1] - span[0], 2), np.int32), inputs[-1].rgb, inputs[-1].mask)


def encode(ctx: Any, options: Any, clip: Clip, speech: Speech, motion: Motion, patches: Any) -> Video:
    last(ctx)
    data = clip.sha256.encode() + speech.samples.tobytes() + b"".join(part.rgb.tobytes() for part in patches)
    (ctx.folder / "video.mp4").write_bytes(data * 100)
    return Video(str(ctx.folder), "video.mp4", "", "", FRAMES)


def report(ctx: Any, options: Any, *inputs: Any) -> Report:
    last(ctx)
    (ctx.folder / "report.html").write_text(options.video_name)
    return Report(str(ctx.folder), "report.html")


def check(path: Path, limits: Limits) -> None:
    if path.stat().st_size > 1_000_000:
        raise BadInput("the clip is too long for this node; trim it")


def written(name: str, data: bytes) -> Any:
    return name, lambda path: path.write_bytes(data)


def previews(desk: Any, patches: Patches, frames: Any) -> Any:
    yield written(f"preview/{patches.start:06d}.jpg", patches.rgb.tobytes())


MAKERS: dict[str, Any] = {
    "track": lambda desk, track, frames: iter([written("track.npz", track.identity.tobytes())]),
    "motion": lambda desk, motion, frames: iter([written("motion.npz", motion.expression.tobytes())]),
    "composite": previews,
    "encode": lambda desk, video, frames: iter([written("video.mp4", Path(video.folder, video.mp4).read_bytes())]),
    "report": lambda desk, page, frames: iter([written("report.html", b"page")]),
}
FAKES = (ingest, track, mesh, voice, adapt, motion, render, refine, composite, encode, report)
TABLE = {fake.__name__: dataclasses.replace(STAGES[fake.__name__], run=fake, weights=(), cost=1.0) for fake in FAKES}
TABLE = {name: TABLE[name] for name in STAGES}
TASKS = len(TABLE) + 3 * (FRAMES // CHUNK - 1)  # of a dub
CRAFT = Craft(TABLE, MAKERS, check)


@dataclasses.dataclass(frozen=True)
class Row:
    source_frame: np.ndarray[Any, np.dtype[np.int32]]  # (U,), as a Motion has it


def light(ctx: Any, options: Any, *inputs: Any) -> Row:
    """Does nothing; a line that begins with BLOCK waits for RETAC_HOME/go."""
    while getattr(options, "text", "").startswith(BLOCK) and not Path(os.environ["RETAC_HOME"], "go").exists():
        ctx.progress(0.5, BLOCK)
        time.sleep(0.02)
    return Row(np.arange(FRAMES, dtype=np.int32))


# The same plan with next to nothing in it: what is left is the engine and the node.
LIGHT_TABLE = {"ingest": TABLE["ingest"]} | {
    name: dataclasses.replace(row, run=light, result=Row) for name, row in TABLE.items() if name != "ingest"
}
LIGHT_MAKERS: dict[str, Any] = {
    name: lambda desk, row, frames: iter([written("rows", row.source_frame.tobytes())]) for name in ("motion", "encode")
}
LIGHT = Craft(LIGHT_TABLE, LIGHT_MAKERS, check)
SERVE = """
import sys
from pathlib import Path
from retac_node import nodeconfig, server
server.serve(nodeconfig.load(Path(sys.argv[1])), sys.argv[2])
"""


class FakeNode:
    """A node process over the fake stages, in a folder of its own."""

    def __init__(self, folder: Path, pause: float = 0.0, craft: str = "CRAFT", **settings: Any) -> None:
        self.home, self.pause, self.port, self.craft = folder / "home", pause, 0, f"tests.fake_node:{craft}"
        self.home.mkdir(exist_ok=True)
        self.settings = settings
        self.start()

    def start(self) -> None:
        lines = {"home": str(self.home), "bind": f"tcp://127.0.0.1:{self.port or '*'}", **self.settings}
        file = self.home / "node.yaml"
        file.write_text("".join(f"{name}: {value!r}\n".replace("True", "true") for name, value in lines.items()))
        path = os.pathsep.join((str(ROOT), str(ROOT / "shared"), os.environ.get("PYTHONPATH", "")))
        environment = {**os.environ, "PYTHONPATH": path, "FAKE_STAGE": str(self.pause)}
        self.log = (self.home / "log").open("a")
        self.process = subprocess.Popen(
            [sys.executable, "-c", SERVE, str(file), self.craft],
            stdout=subprocess.PIPE,
            stderr=self.log,
            env=environment,
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

    def stop(self) -> int:
        """Asks it to stop; gives its exit code."""
        self.process.terminate()
        return self.process.wait(30)

    def calls(self) -> list[str]:
        file = self.home / "calls"
        return file.read_text().split() if file.exists() else []

    def workers(self) -> list[int]:
        """The process ids of its workers."""
        children = Path(f"/proc/{self.process.pid}/task/{self.process.pid}/children").read_text()
        return [int(pid) for pid in children.split()]

    def __enter__(self) -> "FakeNode":
        return self

    def __exit__(self, *_: object) -> None:
        self.kill()


class Plain:
    """A client of a few lines: one socket, and answers read one by one."""

    def __init__(self, address: str, hello: bool = True, **options: Any) -> None:
        self.socket = zmq.Context.instance().socket(zmq.DEALER)
        self.socket.linger = 0
        for name, value in options.items():
            setattr(self.socket, name, value)
        self.socket.connect(address)
        self.requests = 0
        if hello:
            self.send(messages.Hello(messages.VERSION, "test"))
            assert isinstance(self.hear(), messages.Welcome)

    def send(self, message: Any, payload: Any = None) -> None:
        self.socket.send_multipart(wire.encode(message, payload))

    def hear(self, seconds: float = 60.0) -> Any:
        """Gives the next message that is no Beat; a Chunk with its bytes.  None when nothing comes in time."""
        until = time.monotonic() + seconds
        while (left := until - time.monotonic()) > 0 and self.socket.poll(int(1000 * left) + 1):
            message, payload = wire.decode(self.socket.recv_multipart(), messages.ToClient)
            if not isinstance(message, messages.Beat):
                return (message, bytes(payload)) if isinstance(message, messages.Chunk) else message
            self.send(messages.Beat())
        return None

    def ask(self, kind: Any, *values: Any, **named: Any) -> Any:
        """Sends a request and gives the first message that answers it."""
        self.requests += 1
        self.send(kind(self.requests, *values, **named))
        while True:
            answer = self.hear()
            if answer is None or (answer[0] if isinstance(answer, tuple) else answer).request in (0, self.requests):
                return answer

    def put(self, data: bytes) -> str:
        """Sends a short file."""
        sha256 = hashlib.sha256(data).hexdigest()
        answer = self.ask(messages.Put, sha256, len(data))
        if isinstance(answer, messages.Credit):
            self.send(messages.Chunk(self.requests, answer.offset, len(data)), data[answer.offset :])
            answer = self.hear()
        assert isinstance(answer, messages.Done), answer
        return sha256

    def get(self, sha256: str) -> bytes:
        return self.ask(messages.Get, sha256, 0, messages.CHUNK)[1]

    def submit(self, order: Order, priority: int = 0, label: str = "") -> str:
        job = secrets.token_hex(16)
        answer = self.ask(messages.Submit, job, order, label, priority)
        assert isinstance(answer, messages.Status), answer
        return job

    def status(self, job: str) -> Any:
        return next(item for item in self.ask(messages.List).jobs if item.job == job)

    def follow(self, job: str, until: Any = lambda status: status.state in ("done", "failed", "cancelled")) -> Any:
        """Watches a job until its status is as wanted; gives that, and its parts by name."""
        self.requests += 1
        mine, parts = self.requests, {}
        self.send(messages.Watch(mine, job))
        while (answer := self.hear()) is not None:
            if isinstance(answer, messages.Parts) and answer.request == mine:
                parts.update({part.name: part.sha256 for part in answer.parts})
            if isinstance(answer, messages.Status) and answer.request == mine and until(answer.status):
                self.send(messages.Unwatch(mine))
                return answer.status, parts
            assert not isinstance(answer, messages.Refused), answer
        raise AssertionError(f"nothing is heard of {job}")

    def close(self) -> None:
        self.socket.close()
