"""Learns how the speaker embedding follows from Kokoro's timbre, on speech that it makes in random styles.

python -m retac_node.train.voice --data VOICES --work FOLDER [--parts N] [-o retac_node/weights/voice.safetensors]

VOICES is the folder of voice files of kokoro-js.  Spoken parts stay in FOLDER, so that more can be added later.  Says
how well utterances that were held out are foretold, beside a guess that knows only the sentence.
"""

import argparse
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.random import Generator

from retac_node import assets
from retac_node.data import F32
from retac_node.models import kokoro, speaker
from retac_node.models.style import TIMBRE, WEIGHTS, Encoder, save
from retac_node.ops import sound

LINES = (
    "The quick brown fox jumps over a lazy dog.",
    "She had your dark suit in greasy wash water.",
    "We always thought that the boy could choose.",
    "Put the blue vase near the open garden door.",
    "My father drove his truck home after dark.",
    "Five good horses ran along the rocky shore.",
    "Nobody asked me how the old game was played.",
    "It's a very long way from here to your house.",
)
PART = 25  # utterances in a file
PACE = 1.15
PITCHES = (0.72, 1.35)  # factors on the pitch
DIRECTIONS = 16  # in which the bank's timbres differ most
RIDGE = 20.0
FOLDS = 5


@dataclass(frozen=True)
class Spoken:
    timbre: F32  # (N, TIMBRE)
    line: F32  # (N, len(LINES)) one of them is 1
    pitch: F32  # (N,) octaves from 150 Hz
    embedding: F32  # (N, 256)


def main() -> None:
    asked = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    asked.add_argument("--data", type=Path, required=True, help="folder of voice files (*.bin)")
    asked.add_argument("--work", type=Path, required=True, help="folder for what is spoken")
    asked.add_argument("--parts", type=int, default=40, help=f"files of {PART} utterances to speak")
    asked.add_argument("-o", "--out", type=Path, default=WEIGHTS)
    args = asked.parse_args()
    tables = tables_in(args.data)
    spoken = gather(tables, args.work, args.parts)
    directions = main_directions(tables)
    told, guessed = foretold(spoken, directions), foretold(spoken, directions[:0])
    print(f"{len(spoken.pitch)} utterances; cosine to those held out {told:.3f}, without the timbre {guessed:.3f}")
    save(fitted(spoken, directions), args.out)


def tables_in(folder: Path) -> F32:
    """Gives the styles of the published voices, (V, 510, 256), of every language: what they mix to is wider."""
    return np.stack([np.fromfile(path, np.float32).reshape(-1, 256) for path in sorted(folder.glob("*.bin"))])


def main_directions(tables: F32) -> F32:
    """Gives the (DIRECTIONS, TIMBRE) principal ways in which voices differ, each one deviation long."""
    timbres = tables[:, 20:60, :TIMBRE].mean(axis=1)  # (V, TIMBRE)
    _, sizes, ways = np.linalg.svd(timbres - timbres.mean(axis=0), full_matrices=False)
    return (ways * sizes[:, None] / np.sqrt(len(timbres) - 1))[:DIRECTIONS].astype(np.float32)


def gather(tables: F32, folder: Path, parts: int) -> Spoken:
    """Speaks the parts that are not in the folder yet, and reads them all."""
    folder.mkdir(parents=True, exist_ok=True)
    session = kokoro.load(assets.path("kokoro"))
    for part in range(parts):
        if not (file := folder / f"{part:04d}.npz").exists():
            spoken = speak_part(session, tables, np.random.default_rng(1000 + part))
            np.savez(file, timbre=spoken.timbre, line=spoken.line, pitch=spoken.pitch, embedding=spoken.embedding)
            print(f"part {part + 1} of {parts}", flush=True)
    held = [np.load(folder / f"{part:04d}.npz", allow_pickle=False) for part in range(parts)]
    whole = {name: np.concatenate([each[name] for each in held]) for name in ("timbre", "line", "pitch", "embedding")}
    voiced = np.isfinite(whole["pitch"])
    return Spoken(**{name: values[voiced] for name, values in whole.items()})


def speak_part(session: kokoro.Model, tables: F32, chance: Generator) -> Spoken:
    rows = [speak_one(session, tables, chance) for _ in range(PART)]
    timbre, line, pitch, embedding = (np.stack(column) for column in zip(*rows, strict=True))
    return Spoken(timbre, line, pitch, embedding)


def speak_one(session: kokoro.Model, tables: F32, chance: Generator) -> tuple[F32, F32, np.float32, F32]:
    """Speaks one of LINES in a random style; gives its timbre, line, pitch and embedding."""
    timbre = random_mix(chance, len(tables), chance.uniform(0.6, 1.3))
    ways = timbre if chance.random() < 0.5 else random_mix(chance, len(tables), chance.uniform(0.4, 1.0))
    tune = kokoro.Tune(float(np.exp(chance.uniform(*np.log(PITCHES)))))
    line = int(chance.integers(len(LINES)))
    styles = np.concatenate(
        [np.tensordot(timbre, tables[..., :TIMBRE], 1), np.tensordot(ways, tables[..., TIMBRE:], 1)], axis=1
    ).astype(np.float32)
    samples = kokoro.speak(session, styles, LINES[line], PACE, tune).samples
    pitch = np.float32(np.log2(sound.median_pitch(samples, kokoro.RATE) / 150))
    one = np.eye(len(LINES), dtype=np.float32)[line]
    return styles[20:60, :TIMBRE].mean(axis=0), one, pitch, speaker.embed(samples, kokoro.RATE)


def random_mix(chance: Generator, count: int, size: float) -> F32:
    """Gives weights (count,) that sum to 1: a few voices and a little beyond, or a voice as far off as they are."""
    if chance.random() < 0.5:
        few = int(chance.integers(2, 6))
        weights = np.zeros(count)
        weights[chance.choice(count, few, replace=False)] = chance.dirichlet(np.ones(few))
        return 1 / count + (weights - 1 / count) * chance.uniform(0.8, 1.5)
    weights = chance.normal(size=count) / np.sqrt(count - 1)
    return 1 / count + (weights - weights.mean()) * size


def foretold(spoken: Spoken, directions: F32) -> float:
    """Gives the mean cosine between the embeddings and what a fit on the other folds says."""
    fold = np.arange(len(spoken.pitch)) % FOLDS
    cosines = []
    for one in range(FOLDS):
        said = inputs(spoken, directions)[fold == one] @ ridge(spoken, directions, fold != one)
        true = spoken.embedding[fold == one]
        cosines.append((said * true).sum(axis=1) / np.linalg.norm(said, axis=1))
    return float(np.concatenate(cosines).mean())


def fitted(spoken: Spoken, directions: F32) -> Encoder:
    every = np.ones(len(spoken.pitch), bool)
    return Encoder(directions, ridge(spoken, directions, every)[: len(directions)].astype(np.float32))


def ridge(spoken: Spoken, directions: F32, rows: np.ndarray) -> F32:
    """Solves embedding = inputs @ slopes on some rows; the sentence's own part is not held back."""
    asked, answers = inputs(spoken, directions)[rows], spoken.embedding[rows]
    held_back = RIDGE * np.concatenate([np.ones(len(directions) + 1), np.full(len(LINES), 0.01)])
    return np.linalg.solve(asked.T @ asked + np.diag(held_back), asked.T @ answers)


def inputs(spoken: Spoken, directions: F32) -> F32:
    """Gives (N, Q + 1 + lines): steps along the directions, pitch, sentence."""
    lengths = (directions**2).sum(axis=1)
    return np.hstack([spoken.timbre @ directions.T / lengths, 3 * spoken.pitch[:, None], spoken.line])


if __name__ == "__main__":
    main()
