"""`retac voice`: a line in the voice of a recording, as sound and as times.  Never touches pictures."""

import json
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import soundfile
from retac_shared.options import EngineName, IngestOptions, JobSpec, VoiceOptions

from retac_node import recipe, results
from retac_node.data import Clip, Speech, Timed
from retac_node.desk import Desk
from retac_node.engine.stage import Stage
from retac_node.errors import BadInput
from retac_node.stages import STAGES, late


@dataclass(frozen=True)
class Spoken:
    audio: Path
    timing: Path | None


def speak(reference: Path, text: str, engine: EngineName, output: Path, timing: Path | None, desk: Desk) -> Spoken:
    """Writes the line as WAV, and its words and phonemes as JSON.  Raises BadInput, OutOfSpace, Refused, Cancelled."""
    results.check_file(output, (".wav",), [reference])
    if timing is not None:
        results.check_file(timing, (".json",), [reference])
    digest = recipe.digest(reference)
    try:
        spec = JobSpec(IngestOptions(digest), voice=VoiceOptions(text, engine=engine))
    except ValueError as error:
        raise BadInput(str(error)) from error
    listening = Stage("ingest", 2, late("reference"), IngestOptions, Clip)
    speech = desk.run(spec, {digest: reference.absolute()}, ("voice",), {"ingest": listening, "voice": STAGES["voice"]})
    with ExitStack() as stack:
        if timing is not None:
            write_timing(stack.enter_context(results.aside(timing)), speech["voice"])
        write_sound(stack.enter_context(results.aside(output)), speech["voice"])
    return Spoken(output, timing)


def write_sound(target: Path, speech: Speech) -> None:
    soundfile.write(target, np.clip(speech.samples, -1, 1), speech.rate, "PCM_24", format="WAV")


def write_timing(target: Path, speech: Speech) -> None:
    """Writes the length and when each word and each phoneme (IPA) starts and ends, seconds."""
    table = {"seconds": round(speech.seconds, 4), "words": rows(speech.words), "phonemes": rows(speech.phonemes)}
    target.write_text(json.dumps(table, ensure_ascii=False, indent=1) + "\n", encoding="utf-8")


def rows(items: tuple[Timed, ...]) -> list[dict[str, str | float]]:
    return [{"label": item.label, "start": round(item.start, 4), "end": round(item.end, 4)} for item in items]
