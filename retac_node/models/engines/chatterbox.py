"""The engine of those who have Resemble AI's chatterbox-tts and its weights: asks it for sentences, times them.

Never installs or fetches it.  Its own mark is left in the sound; ours is put over it as over every engine's.
"""

import functools
import tempfile
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np
import soundfile
import torch

from retac_node.data import Speaker, Speech
from retac_node.models.engines import SpeakOptions, files
from retac_node.models.engines.fit import Telling
from retac_node.models.engines.letters import TRIES, Once, recited, timed, tried

MOST = 250  # letters of a piece


def talker(speaker: Speaker, options: SpeakOptions, telling: Telling) -> Once:
    model = load(files("chatterbox")[0].parent, options.device)

    def say(piece: str) -> Speech:
        def attempt(number: int) -> Speech:
            devices = [torch.cuda.current_device()] if options.device == "cuda" else []
            with tempfile.TemporaryDirectory() as folder, torch.random.fork_rng(devices):
                prompt = Path(folder) / "voice.wav"
                soundfile.write(prompt, speaker.samples, speaker.rate)
                torch.manual_seed(options.seed * TRIES + number)
                made = model.generate(piece, audio_prompt_path=str(prompt))  # (1, N)
            return timed(np.asarray(made, np.float32).reshape(-1), int(model.sr), piece)

        return tried("chatterbox", piece, attempt, telling)

    return Once(lambda line: recited(line, MOST, say, telling))


@functools.lru_cache(1)
def load(folder: Path, device: str) -> Any:
    return import_module("chatterbox.tts").ChatterboxTTS.from_local(folder, device)
