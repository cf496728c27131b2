"""The engine that comes with the project: Kokoro-82M in the style found for a voice, given its timbre.  Offline."""

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from retac_node import assets
from retac_node.data import Speaker, Speech
from retac_node.models import kokoro, kokoro_letters
from retac_node.models.engines import SpeakOptions
from retac_node.models.engines.fit import LAST, Telling
from retac_node.models.learnt import learnt
from retac_node.models.style import Style
from retac_node.ops import convert


def talker(speaker: Speaker, options: SpeakOptions, telling: Telling) -> "Voice":
    model = assets.path("kokoro")
    return Voice(model, learnt(speaker, model), convert.exemplars(speaker.samples, speaker.rate))


@dataclass(frozen=True)
class Voice:
    model: Path
    style: Style
    held: convert.Exemplars

    def planned(self, line: str, pace: float) -> float:
        return kokoro.planned(kokoro.load(self.model), self.style.styles, line, pace) + LAST

    def says(self, line: str, pace: float, telling: Telling) -> Speech:
        def track(pieces: list[list[kokoro_letters.Word]]) -> Iterable[list[kokoro_letters.Word]]:
            return telling.track(pieces, label="speaking the line")

        said = kokoro.speak(kokoro.load(self.model), self.style.styles, line, pace, self.style.tune, track)
        samples = convert.toward(said.samples, self.held, self.style.average)
        return Speech.of(samples, kokoro.RATE, said.words, said.phonemes)
