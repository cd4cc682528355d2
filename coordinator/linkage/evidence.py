"""What a decision rests on, in counts and parameters that a methodologist can read. The key issuer runs this. Pure.

Each scheme gathers its `Evidence` when it decides; `document` sets it against the people that came of it, for the
run report. How it is drawn is the affair of `coordinator.report`.

No score of a single pair gets in: scores are counted in bins with fixed edges, and thresholds of the curve are fixed
too. Counts below the agreement's small-number limit are None, as `small_numbers` says.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from coordinator.linkage.calibrate import Calibration, Learnt
from coordinator.linkage.certainty import Interval
from coordinator.linkage.model import Mixture, weights_by_level
from coordinator.linkage.small_numbers import rounded_down, shown, shown_together
from coordinator.linkage.solve import Compared
from pprl.protocol.levels import LEVEL_NAMES

# Posteriors are counted between these: odds roughly double or triple from one to the next.
POSTERIOR_EDGES = (
    0.0, 0.01, 0.02, 0.05, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 0.95, 0.98, 0.99, 0.995, 0.999, 0.9999, 1.0,
)  # fmt: skip
# Records a person: each number up to 10, then ranges.
SIZE_EDGES = (*range(1, 11), 11, 21, 51)
# Share of the draws of the calibration that its spread leaves out, half on either side.
OUTSIDE = 0.05

Numbers = NDArray[np.float64]
Indices = NDArray[np.int64]
People = Sequence[NDArray[np.int64]]


@dataclass(frozen=True, slots=True)
class Estimate:
    """A share that was estimated, from 0 to 1, and its 95 % interval; None where it can't be told."""

    value: float | None
    low: float | None
    high: float | None

    @staticmethod
    def of(found: Interval | None) -> Estimate:
        """A share and its interval as a decision has them; nothing is known without links."""
        return Estimate(found.estimate, found.lower, found.upper) if found else NO_ESTIMATE


NO_ESTIMATE = Estimate(None, None, None)


@dataclass(frozen=True, slots=True)
class Cut:
    """What a threshold would give.

    Attributes:
        threshold: lowest score that would link, from a fixed grid.
        links: pairs that would be linked.
        precision: share of them expected to be right.
        recall: share of matches expected to be among them.
    """

    threshold: float
    links: int
    precision: Estimate
    recall: Estimate


@dataclass(frozen=True, slots=True)
class Bins:
    """Candidate pairs by score.

    Attributes:
        edges: fixed edges of the bins, ascending; the last bin holds its upper edge too.
        pairs: candidate pairs in each bin.
        expected_matches: how many of them are expected to be of one person.
        expected_non_matches: how many there would be if nobody had a second record; None if it isn't known.
    """

    edges: Numbers
    pairs: Indices
    expected_matches: Numbers
    expected_non_matches: Numbers | None


@dataclass(frozen=True, slots=True)
class FoundByPass:
    """The pairs of a comparison that one pass has found, by record; pairs that can't link aren't here.

    Attributes:
        left_dataset: index of the left dataset.
        right_dataset: index of the right one; the same for pairs within.
        blocking_pass: name of the pass.
        compared: pairs that the matcher has compared.
        left: left record of each pair that it handed on.
        right: right record of each.
    """

    left_dataset: int
    right_dataset: int
    blocking_pass: str
    compared: int
    left: Indices
    right: Indices


@dataclass(frozen=True, slots=True)
class Suppressed:
    """Records that a pass has left out, because too many of their dataset share a block."""

    dataset: str
    blocking_pass: str
    records: int


@dataclass(frozen=True, slots=True)
class Evidence:
    """What a scheme's decision rests on.

    Attributes:
        score: what pairs are ranked by, in words.
        bins: candidate pairs by score.
        curve: what thresholds would give, ascending.
        found: the pairs of each pass and comparison.
        expected_matches: expected matches of each comparison, by the indices of its datasets.
        unseen_matches: matches that no pass is expected to have found; None where that is not known.
        suppressed: records left out of passes.
        model: fields, components and calibration of a model that was fitted, else empty.
    """

    score: str
    bins: Bins
    curve: tuple[Cut, ...]
    found: tuple[FoundByPass, ...]
    expected_matches: dict[tuple[int, int], float]
    unseen_matches: float | None
    suppressed: tuple[Suppressed, ...]
    model: dict[str, Any]


# Gathered by the schemes


def posterior_bins(compared: Sequence[Compared], candidates: int, matches: float) -> Bins:
    """Bins of posteriors; the lowest takes the candidates that nobody kept a posterior of.

    Args:
        compared: pairs with their posteriors, those that are next to impossible left out.
        candidates: all pairs that may link.
        matches: expected matches among them.
    """
    posteriors = np.concatenate([np.empty(0), *(each.pairs.dice for each in compared)])
    edges = np.array(POSTERIOR_EDGES)
    pairs, _ = np.histogram(posteriors, edges)
    expected, _ = np.histogram(posteriors, edges, weights=posteriors)
    pairs[0] += max(candidates - len(posteriors), 0)
    expected[0] += max(matches - float(posteriors.sum()), 0.0)
    return Bins(edges, pairs.astype(np.int64), expected.astype(np.float64), None)


def expected_by_comparison(compared: Sequence[Compared]) -> dict[tuple[int, int], float]:
    """Expected matches of each two datasets: the sum of posteriors."""
    return {(each.left, each.right): float(each.pairs.dice.sum()) for each in compared}


def candidates_of(found: Sequence[FoundByPass]) -> dict[tuple[int, int], int]:
    """How many different pairs the passes have found, for each two datasets."""
    return {sides: len(np.unique(pairs)) for sides, pairs in _by_comparison(found).items()}


def model_parameters(learnt: Learnt, identifiers: Sequence[tuple[str, str]]) -> dict[str, Any]:
    """What the model has learnt, in JSON's types.

    Args:
        learnt: the fit.
        identifiers: name and kind of each field, in the order of the pattern.
    """
    matches, others = learnt.matches.marginal(), learnt.non_matches.marginal()
    weights = weights_by_level(learnt.matches, learnt.non_matches)
    fields = [
        {
            "identifier": name,
            "kind": kind,
            "levels": [
                {
                    "level": level,
                    "match_probability": round(float(matches[field, place]), 6),
                    "non_match_probability": round(float(others[field, place]), 6),
                    "match_weight": round(float(weights[field, place]), 3),
                }
                for place, level in enumerate(LEVEL_NAMES)
            ],
        }
        for field, (name, kind) in enumerate(identifiers)
    ]
    return {
        "fields": fields,
        "components": {
            "matches": _components(learnt.matches),
            "non_matches": _components(learnt.non_matches),
        },
        "calibration": _calibration(learnt.calibration),
    }


def _components(mixture: Mixture) -> list[dict[str, Any]]:
    return [
        {"component": name, "share": round(float(share), 6)}
        for name, share in zip(mixture.names, mixture.weights, strict=True)
    ]


def _calibration(calibration: Calibration) -> dict[str, Any]:
    low, high = np.quantile(calibration.draws, [OUTSIDE / 2, 1 - OUTSIDE / 2], axis=0)
    return {
        name: {"best": best, "low": round(float(least), 3), "high": round(float(most), 3)}
        for name, best, least, most in zip("ab", calibration.best, low, high, strict=True)
    } | {"draws": len(calibration.draws), "controls": calibration.controls}


# For the run report


def document(
    evidence: Evidence,
    compared: Sequence[Compared],
    people: People,
    *,
    datasets: Sequence[str],
    limit: int,
) -> dict[str, Any]:
    """The run report's member `evidence`.

    Args:
        evidence: what the scheme has gathered.
        compared: pairs with their scores.
        people: for each dataset, the cluster of each record over all datasets.
        datasets: their names.
        limit: the agreement's small-number limit.

    Returns:
        Values of JSON's types; None for a count that may not be shown.

    Leaks: to whoever reads it, counts of pairs and people, and how often records of one person disagree.
    """
    return {
        "score": evidence.score,
        "comparisons": _comparisons(evidence, people, datasets, limit),
        "passes": _passes(evidence, people, datasets, limit),
        "suppressed": suppressed_records(evidence.suppressed, limit),
        "unseen_matches": _rounded(evidence.unseen_matches),
        "histogram": _histogram(evidence, compared, people, limit),
        "curve": [_cut(each, limit) for each in evidence.curve],
        "cluster_sizes": _cluster_sizes(people, limit),
        "people_by_datasets": _people_by_datasets(people, limit),
        "fields": evidence.model.get("fields", []),
        "components": evidence.model.get("components"),
        "calibration": _with_shown_controls(evidence.model.get("calibration"), limit),
    }


def _with_shown_controls(calibration: dict[str, Any] | None, limit: int) -> dict[str, Any] | None:
    return calibration and {**calibration, "controls": shown(calibration["controls"], limit)}


def suppressed_records(suppressed: Sequence[Suppressed], limit: int) -> list[dict[str, Any]]:
    """Records left out of passes, in JSON's types."""
    counts = shown_together([each.records for each in suppressed], limit)
    return [{**asdict(each), "records": count} for each, count in zip(suppressed, counts, strict=True)]


def _comparisons(
    evidence: Evidence, people: People, datasets: Sequence[str], limit: int
) -> list[dict[str, Any]]:
    found = _by_comparison(evidence.found)
    candidates = [len(np.unique(pairs)) for pairs in found.values()]
    linked = [len(np.unique(_linked(pairs, sides, people))) for sides, pairs in found.items()]
    return [
        {
            "left": datasets[left],
            "right": datasets[right],
            "candidate_pairs": pairs,
            "linked_pairs": links,
            # The expected number says nearly what the hidden one does.
            "expected_matches": None
            if pairs is None or links is None
            else _rounded(evidence.expected_matches[left, right]),
        }
        for (left, right), pairs, links in zip(
            found, shown_together(candidates, limit), shown_together(linked, limit), strict=True
        )
    ]


def _passes(evidence: Evidence, people: People, datasets: Sequence[str], limit: int) -> list[dict[str, Any]]:
    """What each pass has contributed to each comparison."""
    alone = _links_of_one_pass(evidence.found, people)
    return counted_by_pass(
        [
            {
                "blocking_pass": each.blocking_pass,
                "left": datasets[each.left_dataset],
                "right": datasets[each.right_dataset],
                "compared": each.compared,
                "pairs": len(each.left),
                "linked_pairs": len(links),
                "linked_by_no_other_pass": int(
                    np.isin(links, alone[each.left_dataset, each.right_dataset]).sum()
                ),
            }
            for each, links in zip(evidence.found, _links(evidence.found, people), strict=True)
        ],
        limit,
    )


def counted_by_pass(tables: Sequence[Mapping[str, Any]], limit: int) -> list[dict[str, Any]]:
    """Counts of each pass, and of each two datasets in it; matcher and key issuer run this.

    Args:
        tables: `blocking_pass`, `left`, `right`, and counts under other names.
        limit: the agreement's small-number limit. A pass's tables are hidden together, as its sum is known, and so
            are the passes' sums.
    """
    names = [name for name in tables[0] if name not in ("blocking_pass", "left", "right")] if tables else []
    by_pass: dict[str, list[Mapping[str, Any]]] = {}
    for each in tables:
        by_pass.setdefault(each["blocking_pass"], []).append(each)
    sums = [{name: sum(each[name] for each in group) for name in names} for group in by_pass.values()]
    passes = []
    for (name, group), total in zip(by_pass.items(), _hidden(sums, names, (), limit), strict=True):
        # Where a sum is hidden, so is all that it consists of.
        at_most = [
            {
                each: None if each in total and total[each] is None and inner[each] else inner[each]
                for each in inner
            }
            for inner in _hidden(group, names, ("left", "right"), limit)
        ]
        passes.append({"blocking_pass": name, **total, "comparisons": at_most})
    return passes


def _hidden(
    rows: Sequence[Mapping[str, Any]], counts: Sequence[str], kept: Sequence[str], limit: int
) -> list[dict[str, Any]]:
    """Rows with their counts hidden column by column, as each column has a known sum."""
    columns = {name: shown_together([row[name] for row in rows], limit) for name in counts}
    return [
        {**{name: row[name] for name in kept}, **{name: columns[name][place] for name in counts}}
        for place, row in enumerate(rows)
    ]


def _links(found: Sequence[FoundByPass], people: People) -> list[Indices]:
    """The pairs of each that belong to one person in the end, as numbers."""
    sides = [(each.left_dataset, each.right_dataset) for each in found]
    return [_linked(_as_numbers(each), which, people) for each, which in zip(found, sides, strict=True)]


def _links_of_one_pass(found: Sequence[FoundByPass], people: People) -> dict[tuple[int, int], Indices]:
    """For each comparison, the linked pairs that one pass alone has found."""
    together: dict[tuple[int, int], list[Indices]] = {}
    for each, links in zip(found, _links(found, people), strict=True):
        together.setdefault((each.left_dataset, each.right_dataset), []).append(links)
    alone = {}
    for sides, parts in together.items():
        links, times = np.unique(np.concatenate(parts), return_counts=True)
        alone[sides] = links[times == 1]
    return alone


def _by_comparison(found: Sequence[FoundByPass]) -> dict[tuple[int, int], Indices]:
    """The pairs of all passes, as numbers, for each two datasets in their order."""
    together: dict[tuple[int, int], list[Indices]] = {}
    for each in found:
        together.setdefault((each.left_dataset, each.right_dataset), []).append(_as_numbers(each))
    return {sides: np.concatenate(parts) for sides, parts in together.items()}


def _as_numbers(found: FoundByPass) -> Indices:
    return np.asarray(found.left.astype(np.int64) << 32 | found.right.astype(np.int64))


def _linked(pairs: Indices, sides: tuple[int, int], people: People) -> Indices:
    left, right = people[sides[0]][pairs >> 32], people[sides[1]][pairs & 0xFFFFFFFF]
    return np.asarray(pairs[left == right])


def _histogram(
    evidence: Evidence, compared: Sequence[Compared], people: People, limit: int
) -> list[dict[str, Any]]:
    bins = evidence.bins
    pairs = shown_together(bins.pairs.tolist(), limit)
    linked = shown_together(_linked_by_bin(evidence, compared, people).tolist(), limit)
    return [
        {
            "from": round(float(bins.edges[place]), 4),
            "to": round(float(bins.edges[place + 1]), 4),
            "pairs": count,
            "linked_pairs": linked[place],
            "expected_matches": None if count is None else _rounded(bins.expected_matches[place]),
            "expected_non_matches": None
            if count is None or bins.expected_non_matches is None
            else _rounded(bins.expected_non_matches[place]),
        }
        for place, count in enumerate(pairs)
    ]


def _linked_by_bin(evidence: Evidence, compared: Sequence[Compared], people: People) -> Indices:
    """Candidate pairs of one person by bin; those whose score nobody kept belong to the lowest."""
    edges, sides = evidence.bins.edges, set(_by_comparison(evidence.found))
    scores = [np.empty(0)]
    for each in compared:
        if (each.left, each.right) in sides:
            one = people[each.left][each.pairs.left] == people[each.right][each.pairs.right]
            scores.append(each.pairs.dice[one])
    counts, _ = np.histogram(np.concatenate(scores), edges)
    found = sum(
        len(np.unique(_linked(pairs, which, people)))
        for which, pairs in _by_comparison(evidence.found).items()
    )
    counts[0] += max(found - int(counts.sum()), 0)
    return counts.astype(np.int64)


def _cut(cut: Cut, limit: int) -> dict[str, Any]:
    """A point of the curve. The precision of a few links would tell their scores: it is hidden."""
    links = rounded_down(cut.links, limit)
    return {
        "threshold": round(cut.threshold, 6),
        "links": links,
        "estimated_precision": _shares(cut.precision if links else NO_ESTIMATE),
        "estimated_recall": _shares(cut.recall if links else NO_ESTIMATE),
    }


def _shares(estimate: Estimate) -> dict[str, float | None]:
    return {
        name: None if share is None else round(float(share), 4) for name, share in asdict(estimate).items()
    }


def _cluster_sizes(people: People, limit: int) -> list[dict[str, Any]]:
    sizes = np.bincount(np.concatenate(people))
    counts, _ = np.histogram(sizes, [*SIZE_EDGES, np.inf])
    most = [*(edge - 1 for edge in SIZE_EDGES[1:]), None]
    return [
        {"records_from": least, "records_to": upper, "people": count}
        for least, upper, count in zip(SIZE_EDGES, most, shown_together(counts.tolist(), limit), strict=True)
    ]


def _people_by_datasets(people: People, limit: int) -> list[dict[str, Any]]:
    everybody = int(np.concatenate(people).max(initial=-1)) + 1
    datasets = sum(np.bincount(labels, minlength=everybody) > 0 for labels in people)
    counts = np.bincount(datasets, minlength=len(people) + 1)[1:]
    return [
        {"datasets": number, "people": count}
        for number, count in enumerate(shown_together(counts.tolist(), limit), 1)
    ]


def _rounded(value: float | None) -> float | None:
    return None if value is None else round(float(value), 1)
