"""The report as one page of HTML that needs nothing else: no script, no network, no font. Pure.

Each picture has the table of its numbers beside it. The page forbids its reader's browser everything but its own
style, by the style's digest.
"""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from coordinator.report import charts, words
from coordinator.report.markup import Markup, element, joined
from coordinator.report.style import STYLE
from coordinator.report.words import Report, count, decimal, short

Row = Sequence[str]


@dataclass(frozen=True, slots=True)
class Section:
    """A part of the page: what the reader jumps to, its heading, and what is in it."""

    name: str
    heading: str
    content: Markup


def page(report: Report) -> str:
    """The page of a report's document.

    Args:
        report: as `documents.document` makes it.

    Leaks: what the document tells, and nothing else.
    """
    sections = [made for section in _SECTIONS if (made := section(report)) is not None]
    heading = f"{report['title']}: how records were linked"
    head = element(
        "head",
        element("meta", charset="utf-8"),
        Markup(f'<meta http-equiv="Content-Security-Policy" content="{_policy()}">'),
        element("meta", name="viewport", content="width=device-width, initial-scale=1"),
        element("meta", name="referrer", content="no-referrer"),
        element("title", heading),
        element("style", Markup(STYLE)),
    )
    body = element(
        "body", _header(report, heading, sections), element("main", *map(_section, sections)), _footer(report)
    )
    return f"<!DOCTYPE html>\n{element('html', head, body, lang='en-GB')}\n"


def _policy() -> str:
    digest = base64.b64encode(hashlib.sha256(STYLE.encode()).digest()).decode()
    return f"default-src 'none'; style-src 'sha256-{digest}'; base-uri 'none'; form-action 'none'"


def _header(report: Report, heading: str, sections: Sequence[Section]) -> Markup:
    about = (
        f"{report['project']}, version {report['version']}, scheme {report['scheme']}. "
        f"Agreement {report['agreement_sha256']}."
    )
    links = [element("li", element("a", each.heading, href=f"#{each.name}")) for each in sections]
    return element(
        "header",
        element("h1", heading),
        element("p", about, class_="note"),
        element("nav", element("ul", *links), aria_label="Parts of this report"),
    )


def _footer(report: Report) -> Markup:
    return element(
        "footer",
        element("p", words.small_number_note(report), class_="note"),
        element(
            "p",
            "No score of a single pair is in this report. It is for the coordinator's own office, unless the parties"
            " agree otherwise: it tells how many people and pairs there are, and how often records of one person"
            " disagree.",
            class_="note",
        ),
    )


def _section(section: Section) -> Markup:
    return element(
        "section",
        element("h2", section.heading, id=section.name),
        section.content,
        aria_labelledby=section.name,
    )


# Sections, in their order. Each is None where the report has nothing for it.


def _decision(report: Report) -> Section | None:
    if "evidence" not in report:
        return None
    content = joined(
        element("p", element("strong", words.outcome(report)), class_="verdict"),
        element("p", words.threshold_rule(report)),
        _table("decision", "The decision", ("item", "value"), words.decision_rows(report), words_first=2),
    )
    return Section("decided", "What was decided, and why", content)


def _keys(report: Report) -> Section | None:
    if "keys" not in report:
        return None
    content = joined(
        element("p", words.keys_note(report)),
        _table("keys", "Linkage keys, for each dataset", words.KEYS_HEADER, words.key_rows(report)),
    )
    return Section("keys", "Linkage keys kept and new", content)


def _scores(report: Report) -> Section | None:
    if "evidence" not in report:
        return None
    evidence = report["evidence"]
    bins, score = evidence["histogram"], evidence["score"]
    known = any(each["expected_non_matches"] is not None for each in bins)
    header = [
        score,
        "pairs",
        "of one person",
        "matches expected",
        *(["non-matches expected"] if known else []),
    ]
    rows = [
        [
            f"{short(each['from'])} to {short(each['to'])}",
            count(each["pairs"]),
            count(each["linked_pairs"]),
            words.expected(each["expected_matches"]),
            *([words.expected(each["expected_non_matches"])] if known else []),
        ]
        for each in bins
    ]
    caption = (
        "Outlined: candidate pairs, on a logarithmic scale. Filled: pairs whose records belong to one person in the"
        " end. Dotted: a count that isn't shown. Dashed line: the threshold."
    )
    picture = charts.histogram("scores", bins, report["threshold"], report)
    return Section(
        "scores",
        f"Pairs by {score}",
        _beside(
            _figure(picture, caption),
            _table("scores", f"Candidate pairs by {score}", header, rows),
        ),
    )


def _estimates(report: Report) -> Section | None:
    if "evidence" not in report:
        return None
    points = report["evidence"]["curve"]
    header = ("threshold", "links, rounded down", "estimated precision", "estimated recall")
    rows = [
        (
            short(each["threshold"]),
            f"{each['links']:,}",
            _interval(each["estimated_precision"]),
            _interval(each["estimated_recall"]),
        )
        for each in points
    ]
    picture = charts.curve("estimates", points, report)
    caption = (
        "Solid line with discs: estimated precision. Dashed line with squares: estimated recall. Shaded, where it is"
        " known: the 95 % interval. Dotted line: the target precision. Dashed upright line: the threshold."
    )
    table = _table("estimates", "What other thresholds would give", header, rows)
    note = element(
        "p",
        "Estimated from the data, without the truth. An estimate without an interval does not say how sure it is.",
    )
    return Section(
        "estimates",
        "Precision and recall by threshold",
        joined(note, _beside(_figure(picture, caption), table) if picture else table),
    )


def _interval(estimate: dict[str, float | None]) -> str:
    if estimate["value"] is None:
        return words.NOT_KNOWN
    interval = "" if estimate["low"] is None else f" [{estimate['low']:.4f}, {estimate['high']:.4f}]"
    return f"{estimate['value']:.4f}{interval}"


def _weights(report: Report) -> Section | None:
    fields = report.get("evidence", {}).get("fields")
    if not fields:
        return None
    shown = [level["match_weight"] for field in fields for level in charts.frequent(field)]
    reach = (min(shown, default=0.0), max(shown, default=0.0))
    note = element(
        "p",
        "The match weight of a level is log2(m / u): m is how often records of one person are at this level, u how"
        f" often different people's candidate records are. Levels with both below {charts.LEAST_PROBABILITY:g} are left"
        " out.",
    )
    parts = [_field(number, field, reach) for number, field in enumerate(fields)]
    return Section(
        "weights", "What speaks for a match: weights by identifier and level", joined(note, *parts)
    )


def _field(number: int, field: dict[str, Any], reach: tuple[float, float]) -> Markup:
    name = f"weights-{number}"
    rows = [
        (
            level["level"],
            decimal(level["match_probability"], 5),
            decimal(level["non_match_probability"], 5),
            f"{level['match_weight']:+.2f}",
        )
        for level in charts.frequent(field)
    ]
    title = f"{field['identifier']} ({field['kind']})"
    table = _table(name, f"Levels of {field['identifier']}", ("level", "m", "u", "match weight"), rows)
    return joined(
        element("h3", title),
        _beside(
            _figure(charts.weights(name, field, reach), "Filled: for a match. Outlined: against it."), table
        ),
    )


_LINKED_COUNTS = ("compared", "pairs", "linked_pairs", "linked_by_no_other_pass")
_LINKED_HEADER = ("compared", "handed on", "of one person", "found by no other pass")


def _passes(report: Report) -> Section | None:
    if "evidence" not in report:
        return None
    evidence = report["evidence"]
    unseen = evidence["unseen_matches"]
    missed = (
        element("p", f"Matches that no pass is expected to have found: about {decimal(unseen, 1)}.")
        if unseen is not None
        else Markup()
    )
    content = joined(
        missed,
        _pass_tables("passes", evidence["passes"], _LINKED_COUNTS, _LINKED_HEADER, report),
        _comparisons(evidence["comparisons"]),
        _suppressed("suppressed", evidence["suppressed"]),
    )
    return Section("passes", "Passes, and what each contributed", content)


def _matching(report: Report) -> Section | None:
    if "matching" not in report:
        return None
    matching = report["matching"]
    totals = f"{count(matching['compared'])} pairs were compared, and {count(matching['pairs'])} handed on."
    content = joined(
        element("p", totals),
        _pass_tables("matching", matching["passes"], _LINKED_COUNTS[:2], _LINKED_HEADER[:2], report),
        _suppressed("matcher-suppressed", matching["suppressed"]),
        _blocking(matching.get("blocking", [])),
    )
    return Section("matching", "What the matcher compared", content)


def _blocking(blocking: Sequence[dict[str, Any]]) -> Markup:
    if not blocking:
        return Markup("")
    return joined(
        element("p", words.BLOCKING_NOTE),
        _table("blocking", "Blocking of encodings", words.BLOCKING_HEADER, words.blocking_rows(blocking)),
    )


def _pass_tables(
    name: str, passes: Sequence[dict[str, Any]], counts: Sequence[str], header: Sequence[str], report: Report
) -> Markup:
    rows = [(each["blocking_pass"], *(count(each[which]) for which in counts)) for each in passes]
    drawn, kinds = counts[1:], ("outline", "solid", "hatched")[: len(counts) - 1]
    picture = charts.bars(
        name,
        "Pairs by pass",
        [(each["blocking_pass"], [each[which] for which in drawn]) for each in passes],
        kinds,
        report["small_number_limit"],
    )
    caption = "Outlined: pairs handed on by the matcher." + (
        " Filled: of one person. Hatched: of these, found by no other pass." if len(drawn) > 1 else ""
    )
    details = [
        (each["blocking_pass"], _sides(inner), *(count(inner[which]) for which in counts))
        for each in passes
        for inner in each["comparisons"]
    ]
    by_sides = _table(
        f"{name}-sides", "The same for each two datasets", ("pass", "datasets", *header), details, words_first=2
    )  # fmt: skip
    return joined(
        _beside(_figure(picture, caption), _table(name, "Pairs by pass", ("pass", *header), rows)),
        by_sides if len(details) > len(passes) else "",
    )


def _comparisons(comparisons: Sequence[dict[str, Any]]) -> Markup:
    rows = [
        (
            _sides(each),
            count(each["candidate_pairs"]),
            count(each["linked_pairs"]),
            words.expected(each["expected_matches"]),
        )
        for each in comparisons
    ]
    header = ("datasets", "candidate pairs, each once", "of one person", "matches expected")
    return _table("comparisons", "Over all passes, for each two datasets", header, rows)


def _suppressed(name: str, suppressed: Sequence[dict[str, Any]]) -> Markup:
    if not suppressed:
        return Markup()
    datasets = list(dict.fromkeys(each["dataset"] for each in suppressed))
    records = {(each["blocking_pass"], each["dataset"]): count(each["records"]) for each in suppressed}
    rows = [
        (which, *(records[which, dataset] for dataset in datasets))
        for which in dict.fromkeys(each["blocking_pass"] for each in suppressed)
    ]
    caption = "Records left out of a pass, as too many of their dataset share a block"
    return _table(name, caption, ("pass", *datasets), rows)


def _sides(comparison: dict[str, Any]) -> str:
    left, right = comparison["left"], comparison["right"]
    return f"within {left}" if left == right else f"{left} with {right}"


def _people(report: Report) -> Section | None:
    if "evidence" not in report:
        return None
    evidence = report["evidence"]
    sizes = _without_empty_end([(_range(each), each["people"]) for each in evidence["cluster_sizes"]])
    datasets = [(str(each["datasets"]), each["people"]) for each in evidence["people_by_datasets"]]
    content = joined(
        _counted("sizes", "People by number of records", "records", sizes, report),
        _counted("datasets", "People by number of datasets", "datasets", datasets, report),
    )
    return Section("people", "People: records and datasets of each", content)


def _counted(
    name: str, title: str, what: str, rows: Sequence[tuple[str, int | None]], report: Report
) -> Markup:
    drawn = [(f"{label} {what if label != '1' else what[:-1]}", [people]) for label, people in rows]
    picture = charts.bars(name, title, drawn, ("solid",), report["small_number_limit"])
    table = _table(name, title, (what, "people"), [(label, count(people)) for label, people in rows])
    return _beside(_figure(picture, "Dotted: a count that isn't shown."), table)


def _without_empty_end(rows: list[tuple[str, int | None]]) -> list[tuple[str, int | None]]:
    while rows and rows[-1][1] == 0:
        rows = rows[:-1]
    return rows


def _range(size: dict[str, Any]) -> str:
    least, most = size["records_from"], size["records_to"]
    if most is None:
        return f"{least} or more"
    return str(least) if least == most else f"{least} to {most}"


def _model(report: Report) -> Section | None:
    evidence = report.get("evidence", {})
    if not evidence.get("components"):
        return None
    components = evidence["components"]
    tables = [
        _table(
            f"components-{kind}",
            caption,
            ("component, by what it began as", "share"),
            [(each["component"], decimal(each["share"], 4)) for each in components[kind]],
        )
        for kind, caption in (
            ("matches", "Components of matches"),
            (
                "non_matches",
                "Components of non-matches (f forename, s surname, b birth, a address in common)",
            ),
        )
    ]
    return Section(
        "model", "Model parameters", joined(_beside(*tables), _calibration(evidence["calibration"]))
    )


def _calibration(calibration: dict[str, Any]) -> Markup:
    rows = [
        (name, decimal(each["best"]), f"{each['low']:.3f} to {each['high']:.3f}")
        for name, each in calibration.items()
        if name in ("a", "b")
    ]
    note = (
        f"Log odds are a + b s, where s is a pair's weight. Pairs that are known to be of different people, and that it"
        f" rests on: {count(calibration['controls'])}. {calibration['draws']} draws stand for what they leave open."
    )
    caption = "Calibration: what the weights are worth"
    return joined(_table("calibration", caption, ("", "best", "95 % of draws"), rows), element("p", note))


_SECTIONS: tuple[Callable[[Report], Section | None], ...] = (
    _decision, _keys, _scores, _estimates, _passes, _people, _matching, _weights, _model,
)  # fmt: skip


# Building blocks


def _beside(*parts: Markup) -> Markup:
    return element("div", *parts, class_="beside")


def _figure(picture: Markup, caption: str) -> Markup:
    return element("figure", picture, element("figcaption", caption))


def _table(name: str, caption: str, header: Row, rows: Sequence[Row], *, words_first: int = 1) -> Markup:
    """A table whose first columns are words and whose others are numbers; wide ones scroll in their own box."""

    def kind(column: int) -> str | None:
        return "number" if column >= words_first else None

    head = [element("th", cell, scope="col", class_=kind(place)) for place, cell in enumerate(header)]
    body = [
        element(
            "tr",
            element("th", row[0], scope="row"),
            *(element("td", cell, class_=kind(place)) for place, cell in enumerate(row) if place),
        )
        for row in rows
    ]
    table = element(
        "table",
        element("caption", caption, id=f"{name}-caption"),
        element("thead", element("tr", *head)),
        element("tbody", *body),
    )
    return element(
        "div", table, class_="scroll", role="region", tabindex=0,
        aria_labelledby=f"{name}-caption",
    )  # fmt: skip
