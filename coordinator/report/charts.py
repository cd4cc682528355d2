"""The report's pictures, as SVG that stands in the page. Pure.

Drawn small, so that their letters can be read on a telephone. What differs, differs in shape and is named in words:
filled, outlined, hatched, dashed. Colours come from the page's style and mean nothing alone.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from coordinator.report.markup import Markup, element, joined
from coordinator.report.words import NOT_SHOWN, count, short

WIDTH = 420
HEIGHT = 260
ROW = 18
LEFT, RIGHT, TOP, BOTTOM = 60, 12, 26, 58
LABELS = 148
# Pixels between two lines that leave room for both their names.
LEAST_GAP = 34
# Letters of a row's label that fit; the table beside has all of them.
LABEL_LETTERS = 24
VALUES = 62
# Above so many edges of columns, not each has its number.
MOST_EDGE_LABELS = 21
# A level that neither matches nor non-matches have as often as this is left out of pictures and their tables.
LEAST_PROBABILITY = 0.0005

POSTERIOR_TICKS = (0.02, 0.1, 0.5, 0.9, 0.99, 0.999, 0.9999)
DICE_TICKS = tuple(place / 20 for place in range(21))


@dataclass(frozen=True, slots=True)
class Scale:
    """Where values stand in a picture: from `start` to `end` in pixels, evenly between `least` and `most`."""

    least: float
    most: float
    start: float
    end: float

    def at(self, value: float) -> float:
        """Place of a value; what lies outside stands at the edge."""
        share = (value - self.least) / ((self.most - self.least) or 1.0)
        return self.start + min(max(share, 0.0), 1.0) * (self.end - self.start)


def histogram(
    name: str, bins: Sequence[dict[str, Any]], threshold: float | None, report: dict[str, Any]
) -> Markup:
    """Candidate pairs by score, on a logarithmic scale, those of one person filled, the threshold marked.

    Args:
        name: of the picture in the page.
        bins: of ascending score, each with its pairs; None of them where they are too few to tell.
        threshold: in the score's unit; None if there is none.
        report: of the run.
    """
    score, limit = report["evidence"]["score"], report["small_number_limit"]
    most = max([each["pairs"] or limit for each in bins], default=1)
    up = Scale(0, math.log10(most + 1), HEIGHT - BOTTOM, TOP)
    across = Scale(0, len(bins), LEFT, WIDTH - RIGHT)
    parts = [_log_axis(up, most)]
    for place, each in enumerate(bins):
        parts.append(_column(across, up, place, each, limit))
    parts += [_edge_labels(across, bins), _axis_title(score, HEIGHT - 6)]
    if threshold is not None:
        parts.append(_marked(across.at(_place_in(bins, threshold)), f"threshold {short(threshold)}"))
    description = f"Columns of candidate pairs by {score}. The table beside it has every number."
    return _picture(name, HEIGHT, "Candidate pairs by score", description, *parts)


def _column(across: Scale, up: Scale, place: int, each: dict[str, Any], limit: int) -> Markup:
    left, width = across.at(place) + 1, across.at(1) - across.at(0) - 2

    def box(number: int, kind: str) -> Markup:
        top = up.at(math.log10(number + 1))
        return element("rect", x=left, y=top, width=width, height=up.start - top, class_=kind)

    pairs = box(limit, "unknown") if each["pairs"] is None else box(each["pairs"], "outline")
    linked = box(each["linked_pairs"], "solid") if each["linked_pairs"] else Markup()
    return joined(pairs, linked)


def _log_axis(up: Scale, most: int) -> Markup:
    ticks = [0, *(10**power for power in range(1, len(str(most))))]
    return joined(*(_tick_left(up.at(math.log10(tick + 1)), f"{tick:,}") for tick in ticks))


def _edge_labels(across: Scale, bins: Sequence[dict[str, Any]]) -> Markup:
    edges = [*(each["from"] for each in bins), bins[-1]["to"]] if bins else []
    step = math.ceil(len(edges) / MOST_EDGE_LABELS)
    y = HEIGHT - BOTTOM + 10
    labels = []
    for place in range(0, len(edges), step):
        x = across.at(place)
        turned = f"rotate(-55 {x:.1f} {y})"
        labels.append(
            element("text", short(edges[place]), x=x, y=y, class_="tick", text_anchor="end", transform=turned)
        )
    return joined(*labels)


def _place_in(bins: Sequence[dict[str, Any]], value: float) -> float:
    """Where a score stands among columns of equal width."""
    for place, each in enumerate(bins):
        if each["from"] <= value < each["to"]:
            return place + float((value - each["from"]) / (each["to"] - each["from"]))
    return float(len(bins)) if bins and value >= bins[-1]["to"] else 0.0


def curve(name: str, points: Sequence[dict[str, Any]], report: dict[str, Any]) -> Markup:
    """Estimated precision and recall against the threshold, with their bands, the target and the threshold."""
    score = report["evidence"]["score"]
    known = [each for each in points if each["estimated_precision"]["value"] is not None]
    if not known:
        return Markup()
    shares = [value for each in known for value in _all_shares(each)]
    up = Scale(math.floor(min([*shares, 0.9]) * 10) / 10, 1.0, HEIGHT - BOTTOM, TOP)
    across = Scale(*_ends(known, score), LEFT, WIDTH - RIGHT - 14)
    parts = [
        _share_axis(up),
        _threshold_axis(across, known, score),
        _axis_title(f"threshold ({score})", HEIGHT - BOTTOM + 34),
    ]
    target = up.at(report["target_precision"])
    parts.append(element("line", x1=LEFT, x2=WIDTH - RIGHT, y1=target, y2=target, class_="target"))
    for of, kind in (("estimated_precision", "precision"), ("estimated_recall", "recall")):
        parts += [_band(across, up, known, of, score, kind), _line(across, up, known, of, score, kind)]
    parts.append(_names(across, up, known, score))
    if report["threshold"] is not None:
        at = across.at(_stretched(report["threshold"], score))
        parts.append(_marked(at, f"threshold {short(report['threshold'])}"))
    description = f"Two lines over the threshold ({score}). The table beside it has every number."
    return _picture(
        name, HEIGHT - BOTTOM + 42, "Estimated precision and recall by threshold", description, *parts
    )


def _all_shares(point: dict[str, Any]) -> list[float]:
    estimates = (point["estimated_precision"], point["estimated_recall"])
    return [share for each in estimates for share in each.values() if share is not None]


def _ends(points: Sequence[dict[str, Any]], score: str) -> tuple[float, float]:
    places = [_stretched(each["threshold"], score) for each in points]
    return min(places), max(places)


def _stretched(value: float, score: str) -> float:
    """Posteriors by their log odds, as most are near 0 or 1; other scores as they are."""
    if score != "posterior":
        return value
    inside = min(max(value, 1e-9), 1 - 1e-9)
    return math.log2(inside / (1 - inside))


def _line(
    across: Scale, up: Scale, points: Sequence[dict[str, Any]], of: str, score: str, kind: str
) -> Markup:
    places = [(across.at(_stretched(each["threshold"], score)), up.at(each[of]["value"])) for each in points]
    drawn = element("polyline", points=_points(places), class_=f"line {kind}")
    marks = [_mark(x, y, kind) for x, y in places[:: max(len(places) // 8, 1)]]
    return joined(drawn, *marks)


def _names(across: Scale, up: Scale, points: Sequence[dict[str, Any]], score: str) -> Markup:
    """Both lines' names where the lines are furthest apart: between them if there is room, else on the outside."""
    most = max(points[: max(len(points) * 4 // 5, 1)], key=lambda each: abs(_gap(each)))
    x = across.at(_stretched(most["threshold"], score)) + 6
    precision, recall = (up.at(most[of]["value"]) for of in ("estimated_precision", "estimated_recall"))
    inside = abs(precision - recall) > LEAST_GAP
    below = 18 if (precision < recall) == inside else -8
    return joined(
        element("text", "precision", x=x, y=precision + below, class_="name"),
        element("text", "recall", x=x, y=recall + (10 - below), class_="name"),
    )


def _gap(point: dict[str, Any]) -> float:
    return float(point["estimated_precision"]["value"] - point["estimated_recall"]["value"])


def _mark(x: float, y: float, kind: str) -> Markup:
    if kind == "precision":
        return element("circle", cx=x, cy=y, r=3.2, class_="mark")
    return element("rect", x=x - 3, y=y - 3, width=6, height=6, class_="mark open")


def _band(
    across: Scale, up: Scale, points: Sequence[dict[str, Any]], of: str, score: str, kind: str
) -> Markup:
    known = [each for each in points if each[of]["low"] is not None and each[of]["high"] is not None]
    if not known:
        return Markup()
    along = [across.at(_stretched(each["threshold"], score)) for each in known]
    low = [up.at(each[of]["low"]) for each in known]
    high = [up.at(each[of]["high"]) for each in known]
    around = [*zip(along, low, strict=True), *reversed(list(zip(along, high, strict=True)))]
    return element("polygon", points=_points(around), class_=f"band {kind}")


def _share_axis(up: Scale) -> Markup:
    step = 0.02 if up.least >= 0.895 else 0.1 if up.least >= 0.45 else 0.2
    ticks = [1 - step * place for place in range(round((1 - up.least) / step) + 1)]
    return joined(*(_tick_left(up.at(tick), f"{tick:.2f}".rstrip("0").rstrip(".")) for tick in ticks))


def _threshold_axis(across: Scale, points: Sequence[dict[str, Any]], score: str) -> Markup:
    values = POSTERIOR_TICKS if score == "posterior" else DICE_TICKS
    y = HEIGHT - BOTTOM + 16
    ends = _ends(points, score)
    return joined(
        *(
            element("text", short(value), x=across.at(at), y=y, class_="tick", text_anchor="middle")
            for value in values
            if ends[0] <= (at := _stretched(value, score)) <= ends[1]
        )
    )


def weights(name: str, field: dict[str, Any], reach: tuple[float, float]) -> Markup:
    """The match weight of each level of a field: bars to the right speak for a match, to the left against it.

    Args:
        name: of the picture in the page.
        field: of the report.
        reach: lowest and highest weight of all fields, log2, so that pictures compare.
    """
    levels = frequent(field)
    height = TOP + ROW * len(levels) + 8
    across = Scale(min(reach[0], 0.0), max(reach[1], 0.0), LABELS + 34, WIDTH - 40)
    zero = across.at(0)
    parts = [element("line", x1=zero, x2=zero, y1=TOP - 6, y2=height - 6, class_="axis")]
    parts.append(element("text", "against", x=zero - 6, y=TOP - 10, class_="tick", text_anchor="end"))
    parts.append(element("text", "for a match", x=zero + 6, y=TOP - 10, class_="tick"))
    for place, level in enumerate(levels):
        parts.append(_weight(across, TOP + ROW * place, level))
    title = f"Match weights of {field['identifier']}"
    return _picture(
        name, height, title, "A bar a comparison level. The table beside it has every number.", *parts
    )


def frequent(field: dict[str, Any]) -> list[dict[str, Any]]:
    """The levels that a field really has."""
    return [
        level
        for level in field["levels"]
        if max(level["match_probability"], level["non_match_probability"]) >= LEAST_PROBABILITY
    ]


def _weight(across: Scale, y: float, level: dict[str, Any]) -> Markup:
    weight = level["match_weight"]
    zero, end = across.at(0), across.at(weight)
    positive = weight >= 0
    return joined(
        element("text", _fitting(level["level"]), x=LABELS, y=y + 12, class_="row", text_anchor="end"),
        element(
            "rect", x=min(zero, end), y=y + 3, width=abs(end - zero), height=ROW - 6,
            class_="solid" if positive else "outline",
        ),
        element(
            "text", f"{weight:+.1f}", x=end + (4 if positive else -4), y=y + 12, class_="row",
            text_anchor="start" if positive else "end",
        ),
    )  # fmt: skip


def bars(
    name: str, title: str, rows: Sequence[tuple[str, Sequence[int | None]]], kinds: Sequence[str], limit: int
) -> Markup:
    """A row for each name with bars of several counts, the larger behind the smaller.

    Args:
        name: tells the picture from others in the page.
        title: what it shows.
        rows: name and counts of each; None for a count that isn't shown.
        kinds: how each count is drawn: outline, solid or hatched.
        limit: the small-number limit.
    """
    most = max([number or limit for _, counts in rows for number in counts], default=1)
    across = Scale(0, most or 1, LABELS + 8, WIDTH - VALUES)
    parts = [hatching(name)]
    for place, (label, counts) in enumerate(rows):
        parts.append(
            _bar_row(name, across, 4 + ROW * place, label, list(zip(counts, kinds, strict=True)), limit)
        )
    return _picture(
        name, 8 + ROW * len(rows), title, "A bar a row. The table beside it has every number.", *parts
    )


def _bar_row(
    name: str, across: Scale, y: float, label: str, counts: Sequence[tuple[int | None, str]], limit: int
) -> Markup:
    drawn = []
    for number, kind in counts:
        width = across.at(limit if number is None else number) - across.start
        fill = f"url(#{name}-hatching)" if kind == "hatched" and number is not None else None
        kind_ = "unknown" if number is None else kind
        if width > 0:
            drawn.append(
                element("rect", x=across.start, y=y + 3, width=width, height=ROW - 6, class_=kind_, fill=fill)
            )
    first = counts[0][0]
    end = across.at(limit if first is None else first) + 4
    return joined(
        element("text", _fitting(label), x=LABELS, y=y + 12, class_="row", text_anchor="end"),
        *drawn,
        element("text", NOT_SHOWN if first is None else count(first), x=end, y=y + 12, class_="row"),
    )


def _fitting(label: str) -> str:
    return label if len(label) <= LABEL_LETTERS else label[: LABEL_LETTERS - 1] + "\N{HORIZONTAL ELLIPSIS}"


def hatching(name: str) -> Markup:
    """Slanted lines, to fill with."""
    line = element("path", d="M0 6 L6 0 M-1 1 L1 -1 M5 7 L7 5", class_="hatch")
    pattern = element(
        "pattern", line, id=f"{name}-hatching", width=6, height=6, patternUnits="userSpaceOnUse"
    )
    return element("defs", pattern)


def _picture(name: str, height: float, title: str, description: str, *parts: Markup) -> Markup:
    return element(
        "svg",
        element("title", title, id=f"{name}-title"),
        element("desc", description, id=f"{name}-description"),
        *parts,
        viewBox=f"0 0 {WIDTH} {height:g}", role="img", aria_labelledby=f"{name}-title {name}-description",
    )  # fmt: skip


def _tick_left(y: float, label: str) -> Markup:
    return joined(
        element("line", x1=LEFT, x2=WIDTH - RIGHT, y1=y, y2=y, class_="grid"),
        element("text", label, x=LEFT - 5, y=y + 4, class_="tick", text_anchor="end"),
    )


def _axis_title(words: str, y: float) -> Markup:
    return element("text", words, x=(LEFT + WIDTH - RIGHT) / 2, y=y, class_="name", text_anchor="middle")


def _marked(x: float, label: str) -> Markup:
    """A dashed line from top to bottom with a name."""
    left_of_it = x > WIDTH / 2
    return joined(
        element("line", x1=x, x2=x, y1=TOP - 8, y2=HEIGHT - BOTTOM, class_="threshold"),
        element(
            "text", label, x=x + (-4 if left_of_it else 4), y=TOP - 12, class_="name",
            text_anchor="end" if left_of_it else "start",
        ),
    )  # fmt: skip


def _points(places: Sequence[tuple[float, float]]) -> str:
    return " ".join(f"{x:.1f},{y:.1f}" for x, y in places)
