"""Reads the rows of a batch: a YAML or CSV file whose columns are the options of `retac dub`.

Reads that file and no other: whether a clip is there, and whether the rows go together, is for checks.py.
"""

import csv
import math
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, get_args, get_type_hints

import yaml

from retac_node.dub import Wish
from retac_node.errors import BadInput

BIGGEST = 20_000_000  # bytes of the file
SEPARATORS = ",;\t"
NOTHING = ("", "~", "null")  # plain YAML for an empty cell
NUMBER = r"[+-]?(?:\d+\.?\d*|\.\d+)"
RANGE = re.compile(rf"({NUMBER})\s*s?\s*(?:-|–|\.\.|,|to|\s)\s*({NUMBER})\s*s?")
TYPES = get_type_hints(Wish)

Cells = dict[str, str]  # column -> what stands there; empty cells are left out


@dataclass(frozen=True)
class Row:
    number: int  # 1 is the first shot
    line: int  # of the file, where it begins
    cells: Cells
    faults: tuple[str, ...] = ()  # found while it was read


@dataclass(frozen=True)
class Asked:
    """A row as far as it could be understood."""

    row: int
    line: int
    note: str
    clip: str  # as it stands in the row, to name the row by
    output: str
    wish: Wish | None  # without the cells that have faults; None where there is no clip
    faults: tuple[str, ...]


def read(file: Path, defaults: Mapping[str, str]) -> list[Asked]:
    """Gives the shots of a file in its order; `defaults` fill the cells that are empty.

    Raises BadInput for what is wrong with the file as a whole; what is wrong with a row stands in the row.
    """
    kind = KINDS.get(file.suffix.lower())
    if kind is None:
        raise BadInput(f"the shots file {file} must end in {', '.join(KINDS)}; save it as one of these")
    rows = list(kind(text_of(file), file))
    if not rows:
        raise BadInput(f"the shots file {file} has no rows; give a row for each shot")
    if wrong := [fault for name, text in defaults.items() if (fault := understood({name: text}, file.parent)[1])]:
        raise BadInput(f"--set: {wrong[0][0]}")
    return [asked(row, defaults, file) for row in rows]


def text_of(file: Path) -> str:
    try:
        if file.stat().st_size > BIGGEST:
            raise BadInput(f"the shots file {file} has over {BIGGEST // 10**6} MB; split it")
        return file.read_bytes().decode("utf-8-sig")
    except FileNotFoundError:
        raise BadInput(f"the shots file {file} does not exist; check the path") from None
    except OSError as error:
        raise BadInput(f"the shots file {file} cannot be read ({error.strerror}); check the path") from None
    except UnicodeDecodeError:
        raise BadInput(f"the shots file {file} is not text in UTF-8; save it as that") from None


# ---- YAML


def read_yaml(text: str, file: Path) -> Iterator[Row]:
    """Yields the rows of a list of shots, or of `shots:` under common `defaults:`; every value is taken as written."""
    try:
        top = yaml.compose(text, Loader=yaml.BaseLoader)
    except yaml.YAMLError as error:
        raise BadInput(f"the shots file {file} is not YAML: {' '.join(str(error).split())}") from None
    common: Cells = {}
    if isinstance(top, yaml.MappingNode):
        parts = {key.value: value for key, value in top.value if isinstance(key, yaml.ScalarNode)}
        if unknown := [name for name in parts if name not in ("defaults", "shots")]:
            raise BadInput(f"the shots file {file} has '{unknown[0]}' at its top; known are defaults and shots")
        if "defaults" in parts:
            common, faults = yaml_cells(parts["defaults"])
            if faults or (faults := understood(common, file.parent)[1]):
                raise BadInput(f"the shots file {file}, defaults: {faults[0]}")
        top = parts.get("shots")
    if not isinstance(top, yaml.SequenceNode):
        raise BadInput(f"the shots file {file} has no list of shots; begin each shot with a dash, as in: - clip: a.mp4")
    for number, node in enumerate(top.value, 1):
        cells, faults = yaml_cells(node)
        yield Row(number, node.start_mark.line + 1, common | cells, faults)


def yaml_cells(node: yaml.Node) -> tuple[Cells, tuple[str, ...]]:
    if not isinstance(node, yaml.MappingNode):
        return {}, ("it is not made of `column: value` lines; write them under one dash",)
    cells: Cells = {}
    faults = []
    for key, value in node.value:
        name = tidy(str(key.value))
        text = yaml_text(value)
        if text is None:
            faults.append(f"column {name} holds a list or more columns; give one value")
        elif name in cells:
            faults.append(f"column {name} stands there twice; leave one out")
        elif text or value.style:
            cells[name] = text
    return cells, tuple(faults)


def yaml_text(node: yaml.Node) -> str | None:
    """Gives what is written; of a short list its items, as a range may be one; None for anything deeper."""
    if isinstance(node, yaml.ScalarNode):
        return "" if node.style is None and node.value in NOTHING else str(node.value)
    if isinstance(node, yaml.SequenceNode) and all(isinstance(item, yaml.ScalarNode) for item in node.value):
        return " ".join(str(item.value) for item in node.value) if len(node.value) == 2 else None
    return None


# ---- CSV


def read_csv(text: str, file: Path) -> Iterator[Row]:
    """Yields the rows under a line of column names; separated by commas, semicolons or tabs."""
    head = text.partition("\n")[0]
    reader = csv.reader(text.splitlines(keepends=True), delimiter=max(SEPARATORS, key=head.count), strict=True)
    try:
        names = [tidy(name) for name in next(reader, [])]
        while names and not names[-1]:
            names.pop()
        check_header(names, file)
        number, line = 0, reader.line_num + 1
        for values in reader:
            if any(value.strip() for value in values):
                number += 1
                yield csv_row(number, line, names, values)
            line = reader.line_num + 1
    except csv.Error as error:
        raise BadInput(f"the shots file {file}, line {reader.line_num}: {error}; save it as CSV again") from None


def check_header(names: list[str], file: Path) -> None:
    for name in names:
        if name not in COLUMNS:
            raise BadInput(f"the shots file {file}, line 1: {unknown(name)}")
        if names.count(name) > 1:
            raise BadInput(f"the shots file {file}, line 1: column {name} stands there twice; leave one out")


def csv_row(number: int, line: int, names: list[str], values: list[str]) -> Row:
    cells = {name: value.strip() for name, value in zip(names, values, strict=False) if value.strip()}
    faults = [
        f"it has a value beyond the last column ({value!r:.60}); put text with commas in quotes"
        for value in values[len(names) :]
        if value.strip()
    ]
    return Row(number, line, cells, tuple(faults[:1]))


KINDS: Mapping[str, Callable[[str, Path], Iterator[Row]]] = {
    ".yaml": read_yaml,
    ".yml": read_yaml,
    ".csv": read_csv,
    ".tsv": read_csv,
}

# ---- cells


def asked(row: Row, defaults: Mapping[str, str], file: Path) -> Asked:
    cells = {**defaults, **row.cells}
    values, faults = understood(cells, file.parent)
    faults = (*row.faults, *faults)
    if "clip" not in cells:
        faults = (*faults, "there is no clip; give the video in column clip")
    if "clip" in values and "output" not in values:
        values["output"] = file.parent / f"{Path(cells['clip']).stem}_{row.number:03d}.mp4"
    note = str(values.pop("note", ""))
    wish = Wish(**values) if "clip" in values else None
    return Asked(row.number, row.line, note, cells.get("clip", ""), str(values.get("output", "")), wish, faults)


def understood(cells: Mapping[str, str], base: Path) -> tuple[dict[str, Any], tuple[str, ...]]:
    """Gives the values by field of Wish, relative paths as seen from `base`, and what is wrong with the others."""
    values: dict[str, Any] = {}
    faults = []
    for name, text in cells.items():
        if name not in COLUMNS:
            faults.append(unknown(name))
            continue
        convert, wanted = COLUMNS[name]
        try:
            value = convert(text)
        except ValueError:
            faults.append(f"column {name} is {text!r:.80}; give {wanted}")
            continue
        values[name] = base / value.expanduser() if isinstance(value, Path) else value
    if "range" in values:
        if "start" in values or "end" in values:
            faults.append("it has a range, and start or end as well; give the range or the two ends")
        values["start"], values["end"] = values.pop("range")
    return values, tuple(faults)


def unknown(name: str) -> str:
    return f"there is no column '{name:.40}'; known are {', '.join(COLUMNS)}"


def tidy(name: str) -> str:
    return re.sub(r"[\s-]+", "_", name.strip().lower())


def number(text: str) -> float:
    value = float(text)
    if not math.isfinite(value):
        raise ValueError
    return value


def whole(text: str) -> int:
    value = int(text)
    if value < 0:
        raise ValueError
    return value


def span(text: str) -> tuple[float, float]:
    match = RANGE.fullmatch(text.strip())
    if match is None:
        raise ValueError
    return number(match[1]), number(match[2])


def path(text: str) -> Path:
    if not text.isprintable():
        raise ValueError
    return Path(text)


def choice(name: str) -> tuple[Callable[[str], str], str]:
    """A column that takes the words which the field of Wish takes."""
    words: tuple[str, ...] = get_args(TYPES[name])

    def one(text: str) -> str:
        if text not in words:
            raise ValueError
        return text

    return one, " or ".join(words)


FILE = path, "the path of a file"
SECONDS = number, "seconds, such as 3.2"
WORDS = str, "text"
COUNT = whole, "a whole number from 0 on"

# Every field of Wish is a column of its name; tests/test_shots.py says so.
COLUMNS: Mapping[str, tuple[Callable[[str], Any], str]] = {
    "clip": FILE,
    "range": (span, "two times in seconds, such as 3.2-4.1"),
    "start": SECONDS,
    "end": SECONDS,
    "text": WORDS,
    "audio": FILE,
    "voice": FILE,
    "engine": choice("engine"),
    "subject": COUNT,
    "consent": WORDS,
    "output": FILE,
    "motion": FILE,
    "pose": choice("pose"),
    "quality": choice("quality"),
    "train_minutes": (number, "a number of minutes"),
    "lens": (number, "millimetres"),
    "seed": COUNT,
    "frames": (path, "the path of a folder"),
    "mattes": (path, "the path of a folder"),
    "note": WORDS,
}
