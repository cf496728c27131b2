"""The user's own pronunciations are written into the line, and a wrong list is refused by its line."""

from pathlib import Path

import pytest
from retac_shared.options import check_text

from retac_node import arguments, cli, lexicon
from retac_node.errors import BadInput

ENTRIES = {"nguyen": "W IH1 N", "o'neil": "OW0 N IY1 L"}


@pytest.mark.parametrize(
    ("line", "marked"),
    [
        ("Ask NGUYEN now", "Ask [NGUYEN](W IH1 N) now"),
        ("Nguyen's dog, Nguyen.", "[Nguyen](W IH1 N)'s dog, [Nguyen](W IH1 N)."),
        ("Mr. O’Neil", "Mr. [O’Neil](OW0 N IY1 L)"),
        ("Nguyens and [Nguyen](N UW1 Y EH0 N)", "Nguyens and [Nguyen](N UW1 Y EH0 N)"),
    ],
)
def test_listed_words_are_marked_once(line: str, marked: str) -> None:
    assert lexicon.applied(line, ENTRIES) == marked
    check_text(marked)


def test_a_file_has_words_sounds_and_comments(tmp_path: Path) -> None:
    file = tmp_path / "words.txt"
    file.write_text("# names\nNguyen  W IH1 N  # as she says it\n\nXi\t/ʃiː/\nXi  SH IY1\n", encoding="utf-8")
    assert lexicon.read(file) == {"nguyen": "W IH1 N", "xi": "SH IY1"}


@pytest.mark.parametrize("row", ["Nguyen W QX1 N", "Nguyen", "two-  W IH N", "(x) W"])
def test_a_wrong_line_is_named(tmp_path: Path, row: str) -> None:
    (tmp_path / "words.txt").write_text(f"Bob B AA1 B\n{row}\n")
    with pytest.raises(BadInput, match=r"lexicon words.txt, line 2: "):
        lexicon.read(tmp_path / "words.txt")


def test_an_unreadable_file_is_refused(tmp_path: Path) -> None:
    with pytest.raises(BadInput, match=r"cannot be read.*UTF-8"):
        lexicon.read(tmp_path / "none.txt")


def test_the_files_word_comes_before_the_users_own(tmp_path: Path) -> None:
    own = tmp_path / "retac"
    own.mkdir()
    (own / lexicon.NAME).write_text("Xi K S IY1\nBob B AA1 B\n")
    (tmp_path / "job.txt").write_text("Xi SH IY1\n")
    places = {"XDG_CONFIG_HOME": str(tmp_path), "APPDATA": str(tmp_path), "HOME": str(tmp_path)}
    assert lexicon.pronounced("Xi, Bob", tmp_path / "job.txt", places) == "[Xi](SH IY1), [Bob](B AA1 B)"


@pytest.mark.parametrize("command", [["dub", "a.mp4"], ["voice", "a.wav", "-o", "b.wav"], ["submit", "a.mp4"]])
def test_commands_that_speak_take_a_lexicon(tmp_path: Path, command: list[str]) -> None:
    (tmp_path / "words.txt").write_text("Xi SH IY1\n")
    more = ["--text", "Hi Xi", "--lexicon", str(tmp_path / "words.txt")]
    asked = arguments.parser().parse_args([*command, *more])
    cli.pronounce(asked)
    assert asked.text == "Hi [Xi](SH IY1)"
