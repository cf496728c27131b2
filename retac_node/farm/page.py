"""Draws the one page about a batch: opens from the disk, needs nothing but itself, and links to each video and report.

Pure: it reads no file but its own template, and neither the clock nor the network.
"""

import os
from collections import Counter
from collections.abc import Mapping, Sequence
from html import escape
from pathlib import Path
from string import Template
from urllib.parse import quote

from retac_shared import marks

from retac_node.farm.ledger import Entry, Totals

# Head of a column, name of the figure, how it is written, what it means.
FIGURES = (
    ("Length", "seconds", "{:.2f} s", "of the new line"),
    ("Voice", "voice similarity", "{:.2f}", "cosine of speaker embeddings, the new line against the reference"),
    ("Head", "pose similarity", "{:.2f}", "head-pose similarity HS, output against clip"),
    ("Lips shut", "lips shut", "{:.0%}", "share of p, b and m in which the lips are asked to meet"),
    ("Face", "face confidence", "{:.2f}", "mean confidence that the face was seen in the plate's frames"),
    ("Bridged", "bridged frames", "{:.0f}", "output frames over plate frames without a face"),
    ("Learnt", "held-out gain dB", "{:+.1f} dB", "what the training gained on frames of the clip that it did not see"),
)
STATES = {
    "done": ("done", "good"),
    "failed": ("failed", "bad"),
    "running": ("running", "busy"),
    "waiting": ("waiting", "soft"),
}
CLIP = 160  # characters of a line that are shown


def draw(title: str, entries: Sequence[Entry], sums: Totals, folder: Path) -> str:
    """Gives the page as HTML that lies in `folder`."""
    heads = ("Row", "", "Shot", "State") + tuple(head for head, *_ in FIGURES) + ("Time",)
    classes = {head: (' class="number"', f' title="{escape(meaning, quote=True)}"') for head, _, _, meaning in FIGURES}
    classes["Time"] = (' class="number"', ' title="of a worker, all attempts"')
    return Template(Path(__file__).with_suffix(".html").read_text(encoding="utf-8")).substitute(
        title=f"Batch: {escape(title)}",
        state=state(sums),
        tiles=tiles(sums),
        failures=failures(entries),
        heads="".join(f"<th{''.join(classes.get(head, ()))}>{head}</th>" for head in heads),
        rows="\n".join(row(entry, folder) for entry in entries),
        shared=shared(sums),
        stages=stages(entries, sums.ran),
        footer="Made with Re-TTAC. The pictures are partly synthetic; each report says where. "
        + " ".join(f"{head}: {meaning}." for head, _, _, meaning in FIGURES),
    )


def state(sums: Totals) -> str:
    left = sums.running + sums.waiting
    return f"{count(left, 'shot')} to go; this page is written anew as they end." if left else "All shots have ended."


def tiles(sums: Totals) -> str:
    kept = f"; {sums.kept} by an earlier run" if sums.kept else ""
    rows = (
        ("good", sums.done, f"done, of {count(sums.rows, 'shot')}{kept}"),
        ("bad" if sums.failed else "", sums.failed, "failed"),
        ("", sums.running + sums.waiting, f"to go, {sums.running} of them running"),
        ("", clock(sums.wall_seconds), f"on the clock; {clock(sums.work_seconds)} of workers"),
        ("", sums.ran.get("adapt", 0), f"trained now, on {count(sums.clips, 'clip')}"),
    )
    return "".join(
        f'<div class="tile"><b class="{kind}">{value}</b><span>{said}</span></div>' for kind, value, said in rows
    )


def failures(entries: Sequence[Entry]) -> str:
    """Lists what failed and why, before all else."""
    rows = "".join(fault(entry) for entry in entries if entry.state == "failed")
    return f'<section><h2>What failed</h2><table class="faults">{rows}</table></section>' if rows else ""


def fault(entry: Entry) -> str:
    number = entry.checked.row
    name = f'<a href="#row{number}">{escape(entry.name)}</a>'
    return f'<tr id="failed{number}"><td class="number">{number}</td><td>{name}</td><td>{reasons(entry)}</td></tr>'


def reasons(entry: Entry) -> str:
    return "<br>".join(escape(fault) for fault in entry.checked.faults or (entry.error,))


def row(entry: Entry, folder: Path) -> str:
    said, kind = STATES[entry.state]
    figures = entry.record.figures if entry.record else {}
    cells = (
        f'<td class="number">{entry.checked.row}</td>',
        f'<td class="picture">{picture(entry, folder)}</td>',
        f'<td class="shot">{shot(entry, folder)}</td>',
        f'<td><b class="{kind}">{said}</b>{more(entry)}</td>',
        *(f'<td class="number">{figure(figures, name, form)}</td>' for _, name, form, _ in FIGURES),
        f'<td class="number">{spent(entry)}</td>',
    )
    return f'<tr id="row{entry.checked.row}" class="{entry.state}">{"".join(cells)}</tr>'


def spent(entry: Entry) -> str:
    """Says how long the shot took; one that was kept, how long its stages took when they ran."""
    if entry.kept and entry.record is not None:
        return f'{clock(sum(entry.record.seconds.values()))}<br><span class="soft">earlier</span>'
    return clock(entry.seconds) if entry.seconds else "–"


def figure(figures: Mapping[str, float | None], name: str, form: str) -> str:
    value = figures.get(name)
    return '<span class="soft">–</span>' if value is None else form.format(value)


def picture(entry: Entry, folder: Path) -> str:
    if entry.record is None or not entry.record.picture or entry.checked.shot is None:
        return '<span class="none"></span>'
    image = (
        f'<img src="data:image/jpeg;base64,{escape(entry.record.picture, quote=True)}" alt="the result" loading="lazy">'
    )
    return f'<a href="{link(entry.checked.shot.made.video, folder)}">{image}</a>'


def shot(entry: Entry, folder: Path) -> str:
    """Gives what is asked for, where it lies, and what there is to say about it."""
    parts = [f"<b>{escape(entry.name)}</b>"]
    made = entry.checked.shot.made if entry.checked.shot else None
    if entry.state == "done" and made is not None:
        parts[0] = (
            f'<a href="{link(made.video, folder)}">{parts[0]}</a> · <a href="{link(made.report, folder)}">report</a>'
        )
    if entry.checked.shot is not None:
        text = marks.plain(entry.checked.shot.order.text)
        parts.append(f'<span class="said">{escape(text[:CLIP])}{"…" if len(text) > CLIP else ""}</span>')
    if entry.checked.note:
        parts.append(f'<span class="soft">{escape(entry.checked.note)}</span>')
    said = [*(entry.record.warnings if entry.record else ()), *(f"An attempt failed: {why}." for why in entry.failures)]
    items = "".join(f"<li>{escape(sentence)}</li>" for sentence in said)
    return "<br>".join(parts) + (f'<ul class="soft">{items}</ul>' if items else "")


def more(entry: Entry) -> str:
    """Says how far a running shot is, and where the reasons of a failed one stand."""
    if entry.state == "running":
        return f'<br><span class="soft">{entry.fraction:.0%} {escape(entry.stage)}</span>'
    return f'<br><a class="soft" href="#failed{entry.checked.row}">why</a>' if entry.state == "failed" else ""


def shared(sums: Totals) -> str:
    runs = " and ".join(count(sums.ran.get(stage, 0), stage) for stage in ("track", "adapt"))
    return (
        f"{count(sums.rows, 'row')} on {count(sums.clips, 'clip')} with {count(sums.persons, 'different solve')} and training: "
        f"{runs} ran now; the other rows found theirs in the cache."
    )


def stages(entries: Sequence[Entry], ran: Mapping[str, int]) -> str:
    """Tabulates how often each stage ran and how long, over the shots that are done."""
    seconds: Counter[str] = Counter()
    for entry in entries:
        if entry.record is not None and not entry.kept:
            seconds.update(entry.record.seconds)
    rows = "".join(
        f'<tr><td>{escape(name)}</td><td class="number">{count(times, "task")}</td>'
        f'<td class="number">{clock(seconds[name])}</td></tr>'
        for name, times in ran.items()
    )
    return rows or '<tr><td class="soft">Nothing has run.</td></tr>'


def link(path: Path, folder: Path) -> str:
    return escape(quote(os.path.relpath(path, folder)), quote=True)


def clock(seconds: float) -> str:
    if seconds < 60:
        return f"{seconds:.1f} s"
    minutes = round(seconds / 60)
    return f"{minutes} min" if minutes < 90 else f"{minutes // 60} h {minutes % 60:02d} min"


def count(number: int, noun: str) -> str:
    return f"{number} {noun}{'' if number == 1 else 's'}"
