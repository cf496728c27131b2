"""Builds weights/voices.npz from the English voices of Kokoro-82M: compact styles, speaker vectors, pitches.

A voice is published as 510 styles, one for each number of tokens; they change smoothly, so 39 of them with straight
lines between give the rest to 0.2 % of the spread.  Run by hand, never by a job.
"""

import re
from collections.abc import Callable
from pathlib import Path

import numpy as np

from retac_node.data import F32
from retac_node.errors import BadInput
from retac_node.models import kokoro, speaker
from retac_node.ops import sound

ENGLISH = re.compile(r"[ab][fm]_\w+")
LENGTHS = np.unique(np.round(np.geomspace(1, kokoro.MOST, 48)).astype(np.int64))  # 39 different ones
SAMPLE = (
    "The morning train was late again, so we walked along the river and talked about the summer. "
    "Could you bring the blue folder, please? I left it near the window, under five big yellow books."
)


def build(folder: Path, model: Path, out: Path, report: Callable[[str], None]) -> None:
    """Reads folder/*.bin (510 x 1 x 256 f32 each), speaks a sample with each voice, writes the bank to `out`."""
    files = sorted(path for path in folder.glob("*.bin") if ENGLISH.fullmatch(path.stem))
    if not files:
        raise BadInput(f"no English voice files (af_*.bin ...) in {folder}; give the folder `voices` of kokoro-js")
    tables = np.stack([np.fromfile(path, np.float32).reshape(kokoro.MOST, 256) for path in files])  # (V, 510, 256)
    session = kokoro.load(model)
    measured = []
    for path, styles in zip(files, tables, strict=True):
        measured.append(measure(session, styles))
        report(f"{path.stem}: {measured[-1][1]:.0f} Hz")
    bank = kokoro.VoiceBank(
        names=tuple(path.stem for path in files),
        lengths=LENGTHS,
        styles=tables[:, LENGTHS - 1].astype(np.float16),
        embeddings=np.stack([embedding for embedding, _ in measured]),
        pitches=np.array([pitch for _, pitch in measured], np.float32),
    )
    save(bank, out)
    report(f"{out}: {out.stat().st_size / 1e6:.2f} MB, rms error {error(bank, tables):.5f} of {tables.std():.3f}")


def measure(session: kokoro.Model, styles: F32) -> tuple[F32, float]:
    spoken = kokoro.speak(session, styles, SAMPLE).samples
    return speaker.embed(spoken, kokoro.RATE), sound.median_pitch(spoken, kokoro.RATE)


def error(bank: kokoro.VoiceBank, tables: F32) -> float:
    """Root mean square of what the compact form gets wrong, in the units of the styles."""
    alone = np.eye(len(bank.names), dtype=np.float32)
    return float(np.sqrt(np.mean([(bank.mixed(one) - table) ** 2 for one, table in zip(alone, tables, strict=True)])))


def save(bank: kokoro.VoiceBank, out: Path) -> None:
    np.savez_compressed(
        out,
        names=np.array(bank.names),
        lengths=bank.lengths,
        styles=bank.styles,
        embeddings=bank.embeddings,
        pitches=bank.pitches,
    )
