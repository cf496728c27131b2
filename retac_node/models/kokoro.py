"""Speaks English with Kokoro-82M and says when each word and phoneme sounds.  Never chooses a voice.

The published int8 graph gives only samples.  Its bytes are changed while loading, so that it takes a pace for each token,
and a factor and a range for the pitch contour, and computes the sound in floats (kokoro_graph.py).  Its first part,
alone, says how long each token will be.
Kokoro is a StyleTTS 2 (Li et al. 2023) with an iSTFTNet decoder; a voice is a table of styles by number of tokens.
"""

import functools
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from onnxruntime import InferenceSession, SessionOptions

from retac_node.data import F32, Timed
from retac_node.errors import BadInput
from retac_node.models.kokoro_graph import CONTOUR, LENGTHS, VOICED, leading_to, speaking
from retac_node.models.kokoro_letters import SYMBOLS, VOWELS, Word, passes, spell
from retac_node.ops import hiss, phonemes, sound

VOICES = Path(__file__).parents[1] / "weights" / "voices.npz"
RATE = 24_000  # Hz
FRAME = 600  # samples in one frame of a token's length, 25 ms
MOST = 510  # tokens that a style table knows
PAUSES = {".": 0.32, "?": 0.34, "!": 0.30, "…": 0.40, ";": 0.24, ":": 0.24, "—": 0.20, ",": 0.16}  # seconds
HURRIED = (0.88, 20, 60)  # the pace that a line of 20 letters needs to be clear; one of 60 needs none
STRESSED = (1.25, 1.15)  # how much longer and higher a stressed word is
FADED = (0.21, 0.05)  # seconds from the last sound's end to where its tokens end (measured: 0.23 ± 0.07); if followed
EARLIEST = 0.05  # seconds by which a line's first sound may come before its token, if it is none of these
BREATHED = "hfθsʃ"
FADE = 0.010  # seconds
FADING = 40.0  # dB below the speech where a sound before a pause is over
SHORTEST = 0.03  # seconds that a sound lasts
EARLY = 3  # frames by which the sound comes before the token lengths say (measured: 75 ± 15 ms)
LEAD = -EARLY * FRAME / RATE  # seconds
MARKS = 'ˈˌ .,?!;:—…()"“”'  # letters of the model that are no sounds
VOICELESS = "ptkfθsʃʧ"
SONORANT = tuple(VOWELS + "mnŋlɹjw")  # no hiss stands beside these
SHORT = 24  # letters: a pass with fewer is said between these sentences, for alone the model hums, adds and swallows
BEFORE, AFTER = "I told them again.", "Come and tell me."  # the second begins with a stop: a voice would run into it
HASTY, LONG = 1.5, 0.4  # the pace of these, and of the pause before the line: a shorter one the model fills


@dataclass(frozen=True)
class VoiceBank:
    """English voices: their styles at a few numbers of tokens, and what each sounds like."""

    names: tuple[str, ...]  # V of them; a or b for the accent, f or m for the sex
    lengths: NDArray[np.int64]  # (L,) numbers of tokens at which the styles are kept
    styles: NDArray[np.float16]  # (V, L, 256)
    embeddings: F32  # (V, 256) speaker vectors of unit length
    pitches: F32  # (V,) Hz, median

    def mixed(self, weights: F32) -> F32:
        """Gives the (510, 256) styles of the voices mixed by weights (V,) that sum to 1."""
        kept = np.tensordot(weights, self.styles.astype(np.float32), 1)  # (L, 256)
        every = np.arange(1, MOST + 1)
        return np.stack([np.interp(every, self.lengths, column) for column in kept.T], axis=1).astype(np.float32)


@dataclass(frozen=True)
class Tune:
    """How the pitch contour is moved: an octave from `centre` becomes `spread` octaves from `centre * pitch`."""

    pitch: float = 1.0  # factor
    spread: float = 1.0
    centre: float = 150.0  # Hz

    @property
    def factor(self) -> float:
        """On the contour raised to the power of `spread`."""
        return self.pitch * self.centre ** (1 - self.spread)


PLAIN = Tune()


@dataclass(frozen=True)
class Model:
    whole: InferenceSession
    lengths: InferenceSession  # the part that says how long each token will be, for a fiftieth of the work


@dataclass(frozen=True)
class Utterance:
    samples: F32  # (N,) at RATE
    words: tuple[Timed, ...]
    phonemes: tuple[Timed, ...]


@functools.lru_cache(1)  # who learns a voice and who speaks with it load the same
def load(path: Path, threads: int = 2) -> Model:
    """Loads the model from its published file; the sound is the same for any number of threads."""
    published = path.read_bytes()
    return Model(session_of(speaking(published), threads), session_of(leading_to(published, LENGTHS), threads))


def load_contour(path: Path, threads: int = 2) -> InferenceSession:
    """Loads the part of the model that `hummed` needs."""
    return session_of(leading_to(path.read_bytes(), CONTOUR), threads)


def session_of(graph: bytes, threads: int) -> InferenceSession:
    options = SessionOptions()
    options.intra_op_num_threads = threads
    options.inter_op_num_threads = 1
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")  # threads that wait leave the processor
    return InferenceSession(graph, options, providers=["CPUExecutionProvider"])


def load_voices(path: Path = VOICES) -> VoiceBank:
    with np.load(path, allow_pickle=False) as bank:
        names = tuple(str(name) for name in bank["names"])
        return VoiceBank(names, bank["lengths"], bank["styles"], bank["embeddings"], bank["pitches"])


def speak(
    model: Model,
    styles: F32,
    line: str,
    speed: float = 1.0,
    tune: Tune = PLAIN,
    track: Callable[[list[list[Word]]], Iterable[list[Word]]] = iter,
) -> Utterance:
    """Speaks a line of any length, pass by pass, with pauses at the joins.

    styles: (510, 256), the voice, by number of tokens.  speed: 1 is its own pace.
    track: walks the passes and may report or stop.  Starts 60 ms before the first sound, ends 120 ms after the last.
    Raises BadInput for a line without English words.
    """
    samples: list[F32] = []
    words: list[Timed] = []
    sounds: list[Timed] = []
    offset = 0.0
    for piece in track(pieces_of(line)):
        part = speak_pass(model, styles, piece, speed, tune)
        gap = round(gap_after(piece, speed) * RATE)
        samples += [part.samples[: len(part.samples) + min(gap, 0)], np.zeros(max(gap, 0), np.float32)]
        words += shifted(part.words, offset)
        sounds += shifted(part.phonemes, offset)
        offset += (len(part.samples) + gap) / RATE
    return Utterance(np.concatenate(samples[:-1]), tuple(words), tuple(sounds))


def planned(model: Model, styles: F32, line: str, speed: float) -> float:
    """Says when the last sound of the line will end, in seconds, within 0.2 s, for a fiftieth of the work of `speak`."""
    offset = end = 0.0
    for piece in pieces_of(line):
        script = scripted(piece)
        frames = model.lengths.run(None, feeds(styles, script, speed))[0][0]  # (tokens + 2,)
        times = script.own(starts(frames))
        seconds = float(times[-1])
        ended = timed(piece, times - times[0] + sound.HEAD, seconds)[1][-1].end
        end = offset + ended - FADED[script.followed]
        offset = end + sound.TAIL + gap_after(piece, speed)
    return end


def hummed(contour: InferenceSession, styles: F32, line: str) -> F32:
    """Gives the pitch of the voiced frames of a line, 12.5 ms each, in Hz, for a thirtieth of the work of `speak`."""
    scripts = map(scripted, pieces_of(line))
    every = np.concatenate([contour.run(None, feeds(styles, script, 1.0))[0][0] for script in scripts])  # (2 * frames,)
    return every[every > VOICED]


def pieces_of(line: str) -> list[list[Word]]:
    """Gives the passes of a line.  Raises BadInput where there is nothing to speak."""
    pieces = passes(spell(line))
    if not pieces:
        raise BadInput(f"the text {line[:60]!r} has nothing that can be spoken; give English words")
    return pieces


def gap_after(piece: list[Word], speed: float) -> float:
    """Gives the seconds between a pass and the next beyond their own quiet ends; negative: of these less is kept."""
    if (pause := piece[-1].pause) is not None:
        return max(pause - sound.TAIL - sound.HEAD, 0.01 - sound.TAIL)
    return PAUSES.get(last_mark(piece), 0.05) / speed


def last_mark(piece: list[Word]) -> str:
    return piece[-1].symbols.rstrip('“”"() ')[-1:]


@dataclass(frozen=True)
class Script:
    """What the model is given for a pass: the pass alone, or a short one between sentences that are cut away."""

    words: list[Word]
    first: int  # the token with which the pass begins
    letters: int  # of the pass
    followed: bool

    @property
    def onward(self) -> str:
        """The letters from the pass's first on."""
        return written(self.words)[self.first - 1 :]

    def paces(self) -> F32:
        """Gives (tokens + 2,) paces: of a few words alone the model swallows sounds, so they are said slowly."""
        slowest, few, enough = HURRIED
        clear = np.interp(self.letters, (few, enough), (slowest, 1.0))
        tokens = len(written(self.words)) + 2
        if self.first == 1:
            return np.full(tokens, clear, np.float32)
        lengths = (self.first - 2, 2, self.letters + 1, tokens - self.first - self.letters - 1)
        return np.repeat(np.array([HASTY, LONG, clear, HASTY], np.float32), lengths)

    def own(self, times: NDArray[np.floating]) -> NDArray[np.floating]:
        """Picks of (tokens + 3,) starts those of the pass's letters, of the space after it and of what follows."""
        return times[self.first :][: self.letters + 2]

    def part(self, audio: F32, times: NDArray[np.floating]) -> tuple[int, int]:
        """Says which samples of the whole are the pass; it is cut in the pauses around."""
        if self.first == 1:
            return 0, len(audio)
        last = self.first + self.letters
        quiet = last_quiet(audio, times[self.first - 3], times[self.first])
        breathed = self.onward.lstrip(MARKS)[:1] in BREATHED
        start = quiet if breathed else max(quiet, int((times[self.first] - EARLIEST) * RATE))
        return start, last_quiet(audio, times[last - 1], times[last + 1]) if self.followed else len(audio)


def scripted(piece: list[Word]) -> Script:
    letters = len(written(piece))
    if letters >= SHORT:
        return Script(piece, 1, letters, False)
    before, after = spell(BEFORE), spell(AFTER) if last_mark(piece) in tuple(".!?…") else []
    return Script([*before, *piece, *after], 2 + len(written(before)), letters, bool(after))


def written(words: list[Word]) -> str:
    """Gives the words as the model reads them, a letter a token."""
    return " ".join(word.symbols for word in words)


def last_quiet(audio: F32, start: float, stop: float) -> int:
    """Gives the sample of the last quiet place between two times in seconds, or of the quietest if none is quiet.

    The last, for a stop at a sentence's end is quiet itself before it is released.
    """
    first, last = (round(time / sound.HOP) for time in (start, stop))
    level = sound.levels(audio, RATE)[first:last]
    quiet = max(float(level.min()), sound.gated_level(audio, RATE) - FADING)
    return (first + int(np.flatnonzero(level <= quiet)[-1])) * int(sound.HOP * RATE)


def feeds(styles: F32, script: Script, speed: float) -> dict[str, NDArray]:
    symbols = written(script.words)
    return {
        "tokens": np.array([[0, *(SYMBOLS[symbol] for symbol in symbols), 0]], np.int64),
        "style": styles[len(symbols) - 1][None],  # (1, 256)
        "speed": speed * script.paces() / where_stressed(script.words, STRESSED[0]),  # (tokens + 2,)
    }


def where_stressed(words: list[Word], factor: float) -> F32:
    """Gives (tokens + 2,) factors: this one on the letters of stressed words, else 1."""
    parts = [[factor if word.stressed else 1.0] * len(word.symbols) + [1.0] for word in words]
    return np.concatenate([[1.0], *parts]).astype(np.float32)


def contour(script: Script, frames: F32, pitch: float) -> F32:
    """Gives the (2 * frames,) factors on the pitch: higher on stressed words, rising and falling over 0.1 s."""
    steps = np.repeat(where_stressed(script.words, STRESSED[1]), 2 * frames.astype(int))  # (2 * sum of frames,)
    smooth = np.hanning(11)[1:-1]
    moved = np.convolve(np.pad(steps, 4, mode="edge"), smooth / smooth.sum(), mode="valid")
    return (pitch * moved * voiced(script, frames)).astype(np.float32)


def voiced(script: Script, frames: F32) -> NDArray[np.bool_]:
    """Tells for each half frame, (2 * frames,), whether there may be a pitch: the model hums before short lines.

    There is none in the pause before the pass, nor in the consonants without voice that it begins with.
    """
    own = script.onward
    before = own[: len(own) - len(own.lstrip(VOICELESS + MARKS))].rstrip(MARKS)
    edges = 2 * (np.concatenate([[0], np.cumsum(frames)]).astype(int) - EARLY)  # where each token begins to sound
    half = np.arange(2 * int(frames.sum()))
    begun = half >= edges[script.first + len(before)] - 2  # 25 ms before the first sound with a voice
    return begun | (half < edges[max(script.first - 2, 0)])


def starts(frames: F32) -> NDArray[np.floating]:
    """(tokens + 2,) lengths in frames -> (tokens + 3,) seconds at which each token begins to sound, and the last ends."""
    return np.cumsum(np.concatenate([[0], frames])) * (FRAME / RATE) + LEAD


def speak_pass(model: Model, styles: F32, words: list[Word], speed: float, tune: Tune) -> Utterance:
    script = scripted(words)
    wanted = feeds(styles, script, speed)
    frames = model.lengths.run(None, wanted)[0][0]  # (tokens + 2,)
    moved = {"pitch": contour(script, frames, tune.factor), "spread": np.array([tune.spread], np.float32)}
    audio = np.asarray(model.whole.run(None, {**wanted, **moved})[0], np.float32).reshape(-1)  # (N,)
    start, stop = script.part(audio, starts(frames))
    own = sound.faded(audio[start:stop], int(FADE * RATE), int(FADE * RATE))
    samples, cut = sound.trim(clean(own, words), RATE)
    spoken, sounds = timed(words, script.own(starts(frames)) - (start + cut) / RATE, len(samples) / RATE)
    return Utterance(samples, *before_pauses(spoken, sounds, samples))


def clean(audio: F32, words: list[Word]) -> F32:
    """Takes away hiss before and after a pass whose first or last sound has none."""
    first, last = (letters.strip(MARKS) for letters in (words[0].symbols, words[-1].symbols))
    if first[:1] in SONORANT:
        audio = hiss.none_before(audio, RATE)
    return hiss.none_after(audio, RATE) if last[-1:] in SONORANT else audio


Times = tuple[Timed, ...]


def timed(words: list[Word], times: NDArray[np.floating], seconds: float) -> tuple[Times, Times]:
    """Gives words and phonemes their times, from where each letter of the line begins (letters + 2,) in seconds.

    A space is no silence: the sound before it lasts until the next word, unless a mark makes it a pause.
    """
    times = np.clip(times, 0, seconds)
    spoken: list[Timed] = []
    sounds: list[Timed] = []
    at = 0
    for word in words:
        inside = phonemes.from_symbols(word.symbols)
        edges = times[at : at + len(word.symbols) + 2]  # where each letter begins, the space after, the next word
        found = [Timed(label, float(edges[start]), float(edges[stop])) for label, start, stop in inside]
        if phonemes.from_symbol(word.symbols[-1]):
            found[-1] = Timed(found[-1].label, found[-1].start, float(edges[-1]))
        spoken.append(Timed(word.label, found[0].start, found[-1].end))
        sounds += found
        at += len(word.symbols) + 1
    return tuple(spoken), tuple(sounds)


def before_pauses(words: Times, sounds: Times, samples: F32) -> tuple[Times, Times]:
    """Ends what stands before a pause where its sound has faded: the model counts the fading to the last phoneme."""
    level = sound.levels(samples, RATE)
    heard = np.flatnonzero(level > sound.gated_level(samples, RATE) - FADING) * sound.HOP  # seconds
    ends = {}
    following = [*(word.start for word in words[1:]), np.inf]
    for word, after in zip(words, following, strict=True):
        if after - word.end > sound.HOP:
            last = next(each for each in reversed(sounds) if each.start < word.end)
            inside = heard[(heard >= last.start) & (heard < word.end)]
            ends[word.end] = max(float(inside[-1]) + sound.HOP, last.start + SHORTEST) if len(inside) else word.end
    return tuple(ending(words, ends)), tuple(ending(sounds, ends))


def ending(items: Times, ends: dict[float, float]) -> list[Timed]:
    return [Timed(item.label, item.start, min(item.end, ends.get(item.end, item.end))) for item in items]


def shifted(items: tuple[Timed, ...], seconds: float) -> list[Timed]:
    return [Timed(item.label, item.start + seconds, item.end + seconds) for item in items]
