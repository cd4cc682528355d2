"""The report's document: everything that any form of the report shows, in JSON's types. Pure.

The caller has it from the store. Counts in `evidence` have been hidden when it was made; those of the run report
itself are hidden here. None stands for a count that isn't shown.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any, Literal

from coordinator.linkage.small_numbers import shown
from pprl.protocol.agreement import AgreementFile

# Thresholds that were estimated are told to this many digits, rounded down: in full, one is a single pair's score.
THRESHOLD_DIGITS = 3
OVERLAP_DIGITS = 3
NOT_KNOWN = {"value": None, "low": None, "high": None}


def document(
    agreement: AgreementFile,
    *,
    stages: Mapping[str, str],
    matched: Mapping[str, Any] | None,
    issued: Mapping[str, Any] | None,
    refusal: str | None,
) -> dict[str, Any]:
    """The document of `coordinator report`.

    Args:
        agreement: the run's.
        stages: how far each role of the store is.
        matched: the matcher's run report, where the store has it.
        issued: the key issuer's run report, where the store has it.
        refusal: why `release` refuses; None if it doesn't, or nothing is issued.
    """
    content = agreement.content
    return {
        "project": content.project.id,
        "title": content.project.title,
        "version": content.project.version,
        "agreement_sha256": agreement.sha256,
        "scheme": content.encoding.scheme,
        "stages": dict(stages),
        "small_number_limit": content.release.small_number_limit,
        **(_linkage(agreement, issued, refusal) if issued else {}),
        **({"matching": _matching(agreement, matched)} if matched else {}),
    }


def _matching(agreement: AgreementFile, matched: Mapping[str, Any]) -> dict[str, Any]:
    limit = agreement.content.release.small_number_limit
    return {
        "compared": shown(matched["compared"], limit),
        "pairs": shown(matched["pairs"], limit),
        **matched["evidence"],
    }


def _linkage(agreement: AgreementFile, issued: Mapping[str, Any], refusal: str | None) -> dict[str, Any]:
    content = agreement.content
    limit = content.release.small_number_limit
    # Estimates that rest on a few links would tell their scores.
    few = 0 < issued["linked_pairs"] < limit
    return {
        "method": issued["method"],
        "records": {name: shown(count, limit) for name, count in issued["records"].items()},
        "linked_pairs": shown(issued["linked_pairs"], limit),
        "linked_people": shown(issued["linked_people"], limit),
        "clusters": shown(issued["clusters"], limit),
        "target_precision": content.linkage.target_precision,
        "threshold": _threshold(issued["threshold"], content.linkage.threshold),
        "threshold_rule": "estimated" if content.linkage.threshold == "estimated" else "fixed",
        "cost_ratio": content.linkage.cost_ratio,
        "overlaps": _overlaps(issued),
        "estimated_precision": NOT_KNOWN if few else dict(issued["estimated_precision"]),
        "estimated_recall": NOT_KNOWN if few else dict(issued["estimated_recall"]),
        "release": {
            "allowed": refusal is None,
            "refusal": refusal,
            "min_linked_people": content.release.min_linked_people,
            "min_overlap": content.release.min_overlap,
        },
        **({"keys": issued["keys"]} if "keys" in issued else {}),
        "evidence": issued["evidence"],
    }


def _overlaps(issued: Mapping[str, Any]) -> list[dict[str, Any]]:
    """For each two datasets, the share that `min_overlap` is held against, rounded down; None where links are few.

    Rounded to the nearest, a share below the agreed one could read as that one.
    """
    steps = 10.0**OVERLAP_DIGITS
    few = {
        (each["left"], each["right"])
        for each in issued["evidence"]["comparisons"]
        if each["linked_pairs"] is None
    }
    return [
        {
            "left": each["left"],
            "right": each["right"],
            "share": None
            if (each["left"], each["right"]) in few
            else math.floor(each["share"] * steps + 1e-9) / steps,
        }
        for each in issued["overlaps"]
    ]


def _threshold(threshold: float, agreed: float | Literal["estimated"]) -> float | None:
    """The threshold that linked; None if nothing could."""
    if agreed != "estimated":
        return threshold
    if threshold > 1:
        return None
    steps = 10.0**THRESHOLD_DIGITS
    # A tiny step up first, so that a threshold with so many digits stays what it is.
    return math.floor(threshold * steps + 1e-9) / steps
