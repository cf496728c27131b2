"""Pieces of a report's HTML, and what it gets after its stage has ended.  Pure text: no library that imports slowly."""

from collections.abc import Iterable, Mapping, Sequence
from html import escape

WARNINGS, TIMINGS = "<!-- warnings -->", "<!-- timings -->"  # where the page has room for what only its caller knows


def with_run(page: str, seconds: Mapping[str, float], warnings: Sequence[str]) -> str:
    """Adds to a finished page what the stages cannot know: how long each took, and what they warned of."""
    rows = table((name, f"{value:.1f} s") for name, value in seconds.items())
    timings = f"<section><h2>Time taken</h2>{rows}</section>" if seconds else ""
    return page.replace(WARNINGS, noted(warnings), 1).replace(TIMINGS, timings, 1)


def noted(sentences: Sequence[str]) -> str:
    items = "".join(f"<li>{escape(sentence)}</li>" for sentence in sentences)
    return f'<div class="note"><ul>{items}</ul></div>' if sentences else ""


def table(rows: Iterable[tuple[str, str]]) -> str:
    cells = "".join(f"<tr><td>{escape(name)}</td><td>{escape(value)}</td></tr>" for name, value in rows)
    return f"<table>{cells}</table>"


def figure(content: str, caption: str = "", title: str = "") -> str:
    above = f"<h3>{title}</h3>" if title else ""
    below = f"<figcaption>{caption}</figcaption>" if caption else ""
    return f"<figure>{above}{content}{below}</figure>"
