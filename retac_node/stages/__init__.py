"""The table of stages, each after those it reads.  Never holds what a stage does: that is in the module of its name.

A stage's module is imported when the stage first runs, so a mistake in the text, or a job that is all in the cache,
never waits for torch.  The voice comes before the track: what it cannot use is said before minutes of solving.  What is
made once a clip or a line works in two threads, and has other last digits with another number of them; chunks of frames
have the same bytes with any number, so they are given one and go side by side.
"""

from collections.abc import Callable
from importlib import import_module
from typing import Any

from retac_shared import options as asked

from retac_node import data
from retac_node.engine.stage import Stage
from retac_node.models import engines


def late(name: str) -> Callable[..., Any]:
    """Gives the `run` of a stage's module, which is imported at the first call."""

    def run(*arguments: Any) -> Any:
        return import_module(f"{__name__}.{name}").run(*arguments)

    return run


HEAD, LANDMARKS, TALKER, REFINER = "head.npz", "landmarks.npz", "motion.safetensors", "refiner.safetensors"
VOICES, TIMBRES = "voices.npz", "voice.safetensors"

ROWS = (
    Stage("ingest", 3, late("ingest"), asked.IngestOptions, data.Clip, cost=1, cpus=2),
    Stage(
        "voice", 4, late("voice"), asked.VoiceOptions, data.Speech, ("ingest",),
        (engines.NAME, "speaker_encoder", "perth", "voice_activity", "overlap", VOICES, TIMBRES), cost=8, cpus=2,
    ),
    Stage(
        "track", 3, late("track"), asked.TrackOptions, data.FaceTrack, ("ingest",),
        ("face_landmarker", LANDMARKS, HEAD), cost=40, cpus=2, gpus=1,
    ),
    Stage("mesh", 1, late("mesh"), asked.MeshOptions, data.Likeness, ("ingest", "track"), (HEAD,), cost=4, cpus=2),
    Stage(
        "adapt", 3, late("adapt"), asked.AdaptOptions, data.Adapted, ("ingest", "track"),
        (HEAD, TALKER, REFINER, "selfie_multiclass"), cost=90, cpus=2, gpus=1,
    ),
    Stage(
        "motion", 3, late("motion"), asked.MotionOptions, data.Motion, ("ingest", "voice", "track", "adapt"),
        (HEAD, TALKER), cost=2, cpus=2,
    ),
    Stage(
        "render", 4, late("render"), asked.RenderOptions, data.Frames, ("ingest", "track", "adapt", "motion"),
        (HEAD, "selfie_multiclass"), chunked=True, cost=20, gpus=1,
    ),
    Stage(
        "refine", 2, late("refine"), asked.RefineOptions, data.Frames, ("ingest", "track", "adapt", "motion", "render"),
        (HEAD, "selfie_multiclass"), chunked=True, cost=25, gpus=1,
    ),
    Stage(
        "composite", 2, late("composite"), asked.CompositeOptions, data.Patches,
        ("ingest", "track", "adapt", "motion", "refine"), chunked=True, cost=15,
    ),
    Stage(
        "encode", 4, late("encode"), asked.EncodeOptions, data.Video, ("ingest", "voice", "motion", "composite"),
        ("perth",), cost=5,
    ),
    Stage(
        "report", 5, late("report"), asked.ReportOptions, data.Report,
        ("ingest", "voice", "track", "adapt", "motion", "encode"), ("speaker_encoder", VOICES), cost=5,
    ),
)  # fmt: skip

STAGES = {row.name: row for row in ROWS}
