"""The coverage tables and pictures of a calibration series, for docs/quality.md. Pure: lines in, text out.

A run counts in a column if it has what the column is about: a run without links has no precision, and a run whose
estimate has no interval says nothing about coverage. Nothing else is left out.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from html import escape
from typing import Any

from pprl.rates import wilson

Line = Mapping[str, Any]

# Figures are written with six digits: a true value at the very end of an interval is inside it.
ROUNDING = 1e-6

# Of the pictures, in pixels.
WIDTH, HEIGHT = 640, 480
LEFT, RIGHT, TOP, BOTTOM = 80, 620, 50, 420
LEAST_SHOWN = 0.9


# What a series varies, and how a value of it is written.
_VARIED: Mapping[str, Callable[[Any], str]] = {
    "overlap": lambda value: f"{value:.0%}",
    "error_scale": lambda value: f"{value:g}",
    "household_share": lambda value: f"{value:.0%}",
    "people": lambda value: f"{value:,}",
}


def section(lines: Sequence[Line], name: str) -> str:
    """What the page says of one series.

    Args:
        lines: its runs.
        name: of its pictures.
    """
    lines = sorted(lines, key=lambda line: line["seed"])
    first, last = lines[0], lines[-1]
    parts = [
        f"Scheme `{first['scheme']}`: {len(lines)} linkages, seeds {first['seed']} to {last['seed']}, "
        f"target precision {first['target_precision']}.",
        *(by(lines, key, told) for key, told in _VARIED.items() if key in first),
        f"![Estimated and true precision of each linkage](quality/precision-{name}.svg)",
    ]
    bins = posterior_bins(lines)
    if bins:
        parts += [
            f"![Posteriors and what they came to](quality/posteriors-{name}.svg)",
            posterior_table(bins),
        ]
    return "\n\n".join(parts)


def by(lines: Sequence[Line], key: str, told: Callable[[Any], str]) -> str:
    """The coverage table: a row for each value of a setting, and one for all."""
    columns = [
        key.replace("_", " "),
        *("runs", "with links", "released", "released below target"),
        *("precision, estimated", "precision", "interval holds it"),
        *("recall, estimated", "recall", "interval holds it"),
        "F1",
    ]
    rows = [f"| {' | '.join(columns)} |", "|---" * len(columns) + "|"]
    for value in sorted({line[key] for line in lines}):
        rows.append(_row(told(value), [line for line in lines if line[key] == value]))
    if key in {"overlap", "people"}:
        rows.append(_row("all", lines))
    return "\n".join(rows)


def _row(name: str, lines: Sequence[Line]) -> str:
    linked = [line for line in lines if line["links"]]
    shared = [line for line in linked if line["true_pairs"]]
    released = [line for line in lines if line["released"]]
    false = [line for line in released if line["precision"] < line["target_precision"]]
    cells = [
        name,
        str(len(lines)),
        str(len(linked)),
        str(len(released)),
        str(len(false)),
        _mean(line["estimated_precision"]["value"] for line in linked),
        _mean(line["precision"] for line in linked),
        coverage(linked, "precision"),
        _mean(line["estimated_recall"]["value"] for line in shared),
        _mean(line["recall"] for line in shared),
        coverage(shared, "recall"),
        _mean(line["f1"] for line in shared),
    ]
    return f"| {' | '.join(cells)} |"


def _mean(values: Iterable[float | None]) -> str:
    there = [value for value in values if value is not None]
    return f"{math.fsum(there) / len(there):.4f}" if there else "-"


def coverage(lines: Sequence[Line], what: str) -> str:
    """In how many runs the interval holds the true value, with the interval of that share."""
    held = [holds(line, what) for line in lines if line[f"estimated_{what}"]["low"] is not None]
    if not held:
        return "-"
    low, high = wilson(sum(held), len(held))
    return f"{sum(held)} of {len(held)}, {sum(held) / len(held):.0%} [{low:.0%}, {high:.0%}]"


def holds(line: Line, what: str) -> bool:
    """Whether the interval of a run's precision or recall holds the true one."""
    estimate = line[f"estimated_{what}"]
    return bool(estimate["low"] - ROUNDING <= line[what] <= estimate["high"] + ROUNDING)


@dataclass(frozen=True, slots=True)
class PosteriorBin:
    """Pairs of all runs whose posteriors lie near each other.

    Attributes:
        pairs: how many there are.
        mean: their mean posterior.
        right: how many are of one person.
    """

    pairs: int
    mean: float
    right: int


def posterior_bins(lines: Sequence[Line]) -> list[PosteriorBin]:
    """The bins of all runs together; those without pairs are left out."""
    counted = [line["posteriors"] for line in lines if "posteriors" in line]
    found = []
    for each in zip(*counted, strict=True):
        pairs, total, right = (math.fsum(values) for values in zip(*each, strict=True))
        if pairs:
            found.append(PosteriorBin(round(pairs), total / pairs, round(right)))
    return found


def posterior_table(bins: Sequence[PosteriorBin]) -> str:
    """The reliability curve in numbers."""
    rows = ["| mean posterior | pairs | share that is right |", "|---|---|---|"]
    for each in bins:
        low, high = wilson(each.right, each.pairs)
        share = f"{each.right / each.pairs:.4f} [{low:.4f}, {high:.4f}]"
        rows.append(f"| {each.mean:.4f} | {each.pairs:,} | {share} |")
    return "\n".join(rows)


# Pictures, drawn by hand so that the same lines give the same bytes.


@dataclass(frozen=True, slots=True)
class _Axes:
    """Both axes run from `least` to 1."""

    least: float

    def x(self, value: float) -> float:
        return round(LEFT + (RIGHT - LEFT) * (max(value, self.least) - self.least) / (1 - self.least), 1)

    def y(self, value: float) -> float:
        return round(BOTTOM - (BOTTOM - TOP) * (max(value, self.least) - self.least) / (1 - self.least), 1)


def precision_picture(lines: Sequence[Line], scheme: str) -> str:
    """Estimated against true precision, a point a run; its interval is the line through it."""
    shown = [line for line in lines if line["estimated_precision"]["value"] is not None]
    axes = _Axes(LEAST_SHOWN)
    outside = sum(
        min(line["precision"], line["estimated_precision"]["value"]) < LEAST_SHOWN for line in shown
    )
    marks = []
    for line in sorted(shown, key=lambda line: line["seed"]):
        estimate = line["estimated_precision"]
        x, y = axes.x(estimate["value"]), axes.y(line["precision"])
        if estimate["low"] is not None:
            low, high = axes.x(estimate["low"]), axes.x(estimate["high"])
            marks.append(f'<path class="interval" d="M{low} {y}H{high}"/>')
        marks.append(
            f'<circle class="{"released" if line["released"] else "refused"}" cx="{x}" cy="{y}" r="3"/>'
        )
    note = f"filled: released; hollow: refused; {outside} of {len(shown)} lie below {LEAST_SHOWN} and stand at the edge"
    title = f"Precision of {len(shown)} linkages, {scheme}"
    return _picture(title, note, "estimated precision, with its interval", "true precision", axes, marks)


def posteriors_picture(bins: Sequence[PosteriorBin], scheme: str) -> str:
    """Mean posterior against the share that is right, a point a bin, with the interval of the share."""
    axes = _Axes(0.0)
    marks = []
    for each in bins:
        low, high = wilson(each.right, each.pairs)
        x = axes.x(each.mean)
        marks.append(f'<path class="interval" d="M{x} {axes.y(low)}V{axes.y(high)}"/>')
        marks.append(f'<circle class="released" cx="{x}" cy="{axes.y(each.right / each.pairs)}" r="4"/>')
    title = f"Posteriors of {sum(each.pairs for each in bins):,} pairs, {scheme}"
    note = "on the dashed line, posteriors mean what they say; below it, they promise too much"
    return _picture(title, note, "mean posterior of the bin", "share of pairs that are right", axes, marks)


_STYLE = (
    "text{font:14px sans-serif;fill:#222}.note{font-size:12px}.frame{fill:none;stroke:#222}"
    ".grid{stroke:#ddd}.even{stroke:#222;stroke-dasharray:6 4}.interval{stroke:#777;stroke-width:1}"
    ".released{fill:#225588;stroke:#225588}.refused{fill:#fff;stroke:#225588}"
)


def _picture(title: str, note: str, across: str, up: str, axes: _Axes, marks: Sequence[str]) -> str:
    middle = (TOP + BOTTOM) / 2
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" role="img">',
        f"<title>{escape(title)}</title><desc>{escape(note)}</desc><style>{_STYLE}</style>",
        f'<rect width="{WIDTH}" height="{HEIGHT}" fill="#fff"/>',
        f'<text x="{LEFT}" y="22">{escape(title)}</text>',
        f'<text class="note" x="{LEFT}" y="40">{escape(note)}</text>',
        *_grid(axes),
        f'<path class="even" d="M{LEFT} {BOTTOM}L{RIGHT} {TOP}"/>',
        *marks,
        f'<rect class="frame" x="{LEFT}" y="{TOP}" width="{RIGHT - LEFT}" height="{BOTTOM - TOP}"/>',
        f'<text x="{(LEFT + RIGHT) / 2}" y="{HEIGHT - 15}" text-anchor="middle">{escape(across)}</text>',
        f'<text transform="translate(22 {middle}) rotate(-90)" text-anchor="middle">{escape(up)}</text>',
        "</svg>",
    ]
    return "\n".join(parts) + "\n"


def _grid(axes: _Axes) -> list[str]:
    found = []
    for step in range(6):
        value = axes.least + (1 - axes.least) * step / 5
        x, y = axes.x(value), axes.y(value)
        found += [
            f'<path class="grid" d="M{x} {TOP}V{BOTTOM}M{LEFT} {y}H{RIGHT}"/>',
            f'<text class="note" x="{x}" y="{BOTTOM + 18}" text-anchor="middle">{value:.2f}</text>',
            f'<text class="note" x="{LEFT - 8}" y="{y + 4}" text-anchor="end">{value:.2f}</text>',
        ]
    return found
