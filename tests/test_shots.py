"""Reading the rows of a batch: YAML and CSV, columns and their faults."""

import dataclasses
from pathlib import Path

import pytest

from retac_node.dub import Wish
from retac_node.errors import BadInput
from retac_node.farm import shots


def read(tmp_path, text, name="shots.yaml", defaults=()):
    file = tmp_path / name
    file.write_text(text)
    return shots.read(file, dict(defaults))


def test_every_option_of_a_dub_is_a_column():
    assert {field.name for field in dataclasses.fields(Wish)} <= set(shots.COLUMNS)
    assert set(shots.COLUMNS) - {field.name for field in dataclasses.fields(Wish)} == {"range", "note"}


def test_a_row_of_yaml_becomes_a_wish_with_paths_from_the_file(tmp_path):
    (row,) = read(
        tmp_path, "- {clip: a.mp4, text: Hello., range: 1.5-2, subject: 1, output: /out/x.mov, note: ask Ann}"
    )
    wish = Wish(tmp_path / "a.mp4", Path("/out/x.mov"), "Hello.", start=1.5, end=2.0, subject=1)
    assert (row.wish, row.faults, row.note) == (wish, (), "ask Ann")


def test_values_are_taken_as_they_are_written(tmp_path):
    (row,) = read(tmp_path, "- {clip: 007.mp4, text: yes, consent: 2026-01-02}")
    assert (row.wish.clip.name, row.wish.text, row.wish.consent) == ("007.mp4", "yes", "2026-01-02")


def test_defaults_fill_what_is_empty(tmp_path):
    text = "defaults: {quality: final, seed: 3}\nshots:\n- {clip: a.mp4, text: A, quality: draft}\n- {clip: a.mp4, text: ~}"
    first, second = read(tmp_path, text, defaults={"text": "B"})
    assert (first.wish.quality, first.wish.seed, first.wish.text) == ("draft", 3, "A")
    assert (second.wish.quality, second.wish.text) == ("final", "B")


@pytest.mark.parametrize("separator", [",", ";", "\t"])
def test_a_table_may_be_separated_by_commas_semicolons_or_tabs(tmp_path, separator):
    head, cells = ("Clip", "Train minutes", "text", "output"), ("a.mp4", "0.5", '"Two\nlines, so"', "")
    text = "\ufeff" + "\n".join(separator.join(row) for row in (head, cells, ("", "", "", ""), cells)) + "\n"
    first, second = read(tmp_path, text, "shots.csv")
    assert (first.row, first.line, second.row, second.line) == (1, 2, 2, 5)
    assert (first.wish.train_minutes, first.wish.text) == (0.5, "Two\nlines, so")
    assert second.wish.output == tmp_path / "a_002.mp4"


@pytest.mark.parametrize("text", ["1-2.5", "1 - 2.5", "1..2.5", "1s-2.5s", "[1, 2.5]", "1 to 2.5", "1–2.5"])
def test_a_range_may_be_written_in_many_ways(tmp_path, text):
    (row,) = read(tmp_path, f"- clip: a.mp4\n  range: {text}\n")
    assert (row.wish.start, row.wish.end) == (1.0, 2.5)


def test_all_that_is_wrong_with_a_row_is_said_with_its_line(tmp_path):
    text = "- {clip: a.mp4}\n- {clip: a.mp4, txt: A, subject: -1, quality: best, range: soon, start: nan, text: A, text: B}\n"
    _, row = read(tmp_path, text)
    assert (row.row, row.line, len(row.faults)) == (2, 2, 6)
    said = " ".join(row.faults)
    for part in (
        "'txt'",
        "subject is '-1'",
        "draft or final",
        "range is 'soon'",
        "start is 'nan'",
        "text stands there twice",
    ):
        assert part in said


def test_values_beyond_the_last_column_are_a_fault_of_their_row(tmp_path):
    first, second = read(tmp_path, "clip,text\na.mp4,Well, hello.\na.mp4,Hello.\n", "shots.csv")
    assert "quotes" in first.faults[0]
    assert second.faults == ()


@pytest.mark.parametrize(
    ("name", "text", "said"),
    [
        ("shots.txt", "", ".yaml, .yml, .csv"),
        ("shots.yaml", "", "no list of shots"),
        ("shots.yaml", "[]", "has no rows"),
        ("shots.yaml", "shots: [", "not YAML"),
        ("shots.yaml", "shoots: []", "'shoots'"),
        ("shots.yaml", "defaults: {seed: x}\nshots: [{clip: a}]", "seed is 'x'"),
        ("shots.csv", "clip,txt\na.mp4,b\n", "line 1: there is no column 'txt'"),
        ("shots.csv", "clip,text,Text\n", "twice"),
        ("shots.csv", 'clip,text\na.mp4,"b\n', "line 2"),
    ],
)
def test_a_file_that_cannot_be_used_is_refused_in_one_sentence(tmp_path, name, text, said):
    with pytest.raises(BadInput, match=said.replace("'", ".")):
        read(tmp_path, text, name)
