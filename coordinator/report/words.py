"""The words and numbers that all forms of the report share, and its text form. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from pprl.console import table

NOT_SHOWN = "not shown"
NOT_KNOWN = "can't be told"

Report = dict[str, Any]


def count(number: int | None) -> str:
    """A count, or that it isn't shown."""
    return NOT_SHOWN if number is None else f"{number:,}"


def expected(number: float | None) -> str:
    """A count that is expected, or that it isn't shown."""
    return NOT_SHOWN if number is None else f"{number:,.1f}"


def decimal(number: float | None, digits: int = 3) -> str:
    """A number with digits behind the point."""
    return "" if number is None else f"{number:,.{digits}f}"


def short(number: float) -> str:
    """A number as short as it is."""
    return f"{number:g}"


def share(estimate: dict[str, float | None]) -> str:
    """An estimated share, with its interval where it has one.

    Args:
        estimate: `value`, `low` and `high`, from 0 to 1; None what is not known.
    """
    value, low, high = estimate["value"], estimate["low"], estimate["high"]
    if value is None:
        return NOT_KNOWN
    if low is None or high is None:
        return f"{value:.2%} (an estimate, without an interval)"
    return f"{value:.2%} (95 % interval {low:.2%} to {high:.2%})"


def small_number_note(report: Report) -> str:
    """What a count that isn't shown may be."""
    limit = report["small_number_limit"]
    return (
        f"'{NOT_SHOWN}' stands for a count of fewer than {limit}, or one that would give such a count away."
    )


def threshold(report: Report) -> str:
    """The threshold, and where it comes from."""
    score = report["evidence"]["score"]
    if report["threshold"] is None:
        return "none reaches the target precision: nothing is linked"
    if report["threshold_rule"] == "fixed":
        return f"{score} of at least {short(report['threshold'])}, fixed by the agreement"
    return f"{score} of about {report['threshold']:.3f} and above, estimated"


def threshold_rule(report: Report) -> str:
    """By which rule the threshold was found."""
    if report["threshold_rule"] == "fixed":
        return "The agreement fixes the threshold."
    if report["threshold"] is None:
        return "No threshold, as far as can be told without the truth, reaches the target precision for sure."
    best = "with the best expected balance of precision and recall"
    if report["cost_ratio"] is not None:
        best = f"that costs least, where a wrong link costs as much as {short(report['cost_ratio'])} missed ones,"
    return f"The threshold was set without the truth: the one {best} among those that reach the target precision."


def outcome(report: Report) -> str:
    """Whether the results may be released."""
    if not report["release"]["allowed"]:
        return f"Refused. {report['release']['refusal']}"
    if report["stages"].get("key-issuer") == "released":
        return "Released: the agreement's release rules allowed it."
    return "Allowed by the agreement's release rules; not released yet."


def decision_rows(report: Report) -> list[tuple[str, str]]:
    """What was decided, line by line."""
    return [
        ("Release", outcome(report)),
        ("Target precision", f"{report['target_precision']:.1%}"),
        ("Threshold", threshold(report)),
        ("Estimated precision", share(report["estimated_precision"])),
        ("Estimated recall", share(report["estimated_recall"])),
        ("People linked between datasets", count(report["linked_people"])),
        ("People with more than one record", count(report["clusters"])),
        ("Pairs of records of one person", count(report["linked_pairs"])),
        *_overlap_rows(report),
        *((f"Records of {name}", count(records)) for name, records in report["records"].items()),
        ("Method", report["method"]),
    ]


KEYS_HEADER = ("dataset", "kept", "new", "split", "merged")


def keys_note(report: Report) -> str:
    """What is counted in the table of linkage keys."""
    return (
        "Kept: linkage keys of an earlier version that records still have. New: keys made in this one. Both are"
        f" rounded down to steps of {report['small_number_limit']}. Split: earlier keys whose records no longer share"
        " one; most of them keep it. Merged: keys of records that had several before. Withdrawn records are not sent,"
        " so only their departments can count them."
    )


def key_rows(report: Report) -> list[tuple[str, ...]]:
    """What became of each dataset's linkage keys, where the agreement keeps them."""
    names = ("kept", "new", "splits", "merges")
    return [(each["dataset"], *(count(each[name]) for name in names)) for each in report["keys"]]


def _overlap_rows(report: Report) -> list[tuple[str, str]]:
    least = report["release"]["min_overlap"]
    agreed = "" if least is None else f" (agreed: at least {least:.1%})"
    return [
        (
            f"Overlap of {each['left']} and {each['right']}, as linked",
            f"{NOT_SHOWN if each['share'] is None else format(each['share'], '.1%')}{agreed}",
        )
        for each in report["overlaps"]
    ]


def text(report: Report) -> str:
    """The report as text: what matters most."""
    parts = [
        f"{report['title']} ({report['project']}, version {report['version']}), scheme {report['scheme']}"
    ]
    if "evidence" in report:
        parts += [_lines(decision_rows(report)), _passes_text(report["evidence"]["passes"], linked=True)]
    if "keys" in report:
        rows = table(key_rows(report), header=KEYS_HEADER, right=range(1, len(KEYS_HEADER)))
        parts.append(f"Linkage keys\n{rows}\n{keys_note(report)}")
    if "matching" in report:
        matching = report["matching"]
        totals = [
            ("Pairs compared", count(matching["compared"])),
            ("Pairs handed on", count(matching["pairs"])),
        ]
        parts += [f"Matching\n{_lines(totals)}", _passes_text(matching["passes"], linked=False)]
        if blocking := matching.get("blocking"):
            rows = table(
                blocking_rows(blocking), header=BLOCKING_HEADER, right=range(1, len(BLOCKING_HEADER))
            )
            parts.append(f"Blocking of encodings\n{rows}\n{BLOCKING_NOTE}")
    parts.append(small_number_note(report))
    return "\n\n".join(parts)


BLOCKING_NOTE = (
    "Too many pairs to compare them all: the matcher compared those that hold the same bits at the drawn positions of "
    "some table. Predicted: the share found of pairs just at the floor. Measured: the share found of all pairs that "
    "are alike, on rows that were compared with everything."
)
BLOCKING_HEADER = (
    "datasets",
    "bits",
    "tables",
    "predicted recall",
    "measured recall",
    "on pairs",
    "pairs parted",
)


def blocking_rows(blocking: Sequence[Mapping[str, Any]]) -> list[list[str]]:
    """How the matcher left out pairs of encodings, for each two datasets, with what that cost."""
    return [
        [
            f"within {each['left']}" if each["left"] == each["right"] else f"{each['left']}, {each['right']}",
            str(each["bits"]),
            count(each["tables"]),
            f"{each['predicted_recall_at_floor']:.1%}",
            NOT_SHOWN if each["measured_recall"] is None else f"{each['measured_recall']:.1%}",
            count(each["sampled_pairs"]),
            count(each["parted"]),
        ]
        for each in blocking
    ]


def _lines(rows: list[tuple[str, str]]) -> str:
    return "\n".join(f"{name}: {value}" for name, value in rows)


def _passes_text(passes: list[dict[str, Any]], *, linked: bool) -> str:
    names = ["compared", "pairs", *(["linked_pairs", "linked_by_no_other_pass"] if linked else [])]
    header = ["pass", "compared", "handed on", *(["linked", "by no other pass"] if linked else [])]
    rows = [[each["blocking_pass"], *(count(each[name]) for name in names)] for each in passes]
    return table(rows, header=header, right=range(1, len(header)))
