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
from coordinator.linkage.competition import Records
from coordinator.linkage.model import weights_by_level
from coordinator.linkage.small_numbers import rounded_down, shown, shown_together
from coordinator.linkage.solve import Compared
from pprl.protocol.levels import LEVEL_NAMES
from pprl.protocol.match_model import Mixture

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
class FoundPairs:
    """The pairs of a comparison that passes have found, by record, each once; pairs that can't link aren't here.

    Attributes:
        left_dataset: index of the left dataset.
        right_dataset: index of the right one; the same for pairs within.
        blocking_passes: names of the passes, at most 64.
        compared: for each pass, the pairs that the matcher has compared.
        left: left record of each pair that it handed on.
        right: right record of each.
        passes: mask of the passes that have found each pair: bit i for pass i.
    """

    left_dataset: int
    right_dataset: int
    blocking_passes: tuple[str, ...]
    compared: tuple[int, ...]
    left: Records
    right: Records
    passes: NDArray[np.uint64]

    def by(self, which: int) -> NDArray[np.bool_]:
        """Which of the pairs a pass has found."""
        return np.asarray((self.passes & np.uint64(1 << which)) != 0, dtype=np.bool_)

    def linked(self, people: People) -> NDArray[np.bool_]:
        """Which of the pairs belong to one person in the end."""
        one = people[self.left_dataset][self.left] == people[self.right_dataset][self.right]
        return np.asarray(one, dtype=np.bool_)


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
        found: the pairs of each comparison.
        expected_matches: expected matches of each comparison, by the indices of its datasets.
        unseen_matches: matches that no pass is expected to have found; None where that is not known.
        suppressed: records left out of passes.
        model: fields, components and calibration of a model that was fitted, else empty.
    """

    score: str
    bins: Bins
    curve: tuple[Cut, ...]
    found: tuple[FoundPairs, ...]
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
    edges = np.array(POSTERIOR_EDGES)
    pairs, expected = np.zeros(len(edges) - 1, dtype=np.int64), np.zeros(len(edges) - 1)
    for each in compared:
        pairs += np.histogram(each.pairs.dice, edges)[0]
        expected += np.histogram(each.pairs.dice, edges, weights=each.pairs.dice)[0]
    pairs[0] += max(candidates - sum(len(each.pairs) for each in compared), 0)
    expected[0] += max(matches - sum(float(each.pairs.dice.sum()) for each in compared), 0.0)
    return Bins(edges, pairs, expected, None)


def expected_by_comparison(compared: Sequence[Compared]) -> dict[tuple[int, int], float]:
    """Expected matches of each two datasets: the sum of posteriors."""
    return {(each.left, each.right): float(each.pairs.dice.sum()) for each in compared}


def candidates_of(found: Sequence[FoundPairs]) -> int:
    """How many different pairs the passes have found."""
    return sum(len(each.left) for each in found)


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
    linked = [each.linked(people) for each in evidence.found]
    return {
        "score": evidence.score,
        "comparisons": _comparisons(evidence, linked, datasets, limit),
        "passes": _passes(evidence, linked, datasets, limit),
        "suppressed": suppressed_records(evidence.suppressed, limit),
        "unseen_matches": _rounded(evidence.unseen_matches),
        "histogram": _histogram(evidence, _linked_by_bin(evidence, compared, people, linked), limit),
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
    evidence: Evidence, linked: Sequence[NDArray[np.bool_]], datasets: Sequence[str], limit: int
) -> list[dict[str, Any]]:
    candidates = shown_together([len(each.left) for each in evidence.found], limit)
    links = shown_together([int(each.sum()) for each in linked], limit)
    return [
        {
            "left": datasets[each.left_dataset],
            "right": datasets[each.right_dataset],
            "candidate_pairs": pairs,
            "linked_pairs": one,
            # The expected number says nearly what the hidden one does.
            "expected_matches": None
            if pairs is None or one is None
            else _rounded(evidence.expected_matches[each.left_dataset, each.right_dataset]),
        }
        for each, pairs, one in zip(evidence.found, candidates, links, strict=True)
    ]


def _passes(
    evidence: Evidence, linked: Sequence[NDArray[np.bool_]], datasets: Sequence[str], limit: int
) -> list[dict[str, Any]]:
    """What each pass has contributed to each comparison."""
    tables: list[dict[str, Any]] = []
    for each, one in zip(evidence.found, linked, strict=True):
        alone = one & (np.bitwise_count(each.passes) == 1)
        for which, (name, compared) in enumerate(zip(each.blocking_passes, each.compared, strict=True)):
            by_pass = each.by(which)
            tables.append(
                {
                    "blocking_pass": name,
                    "left": datasets[each.left_dataset],
                    "right": datasets[each.right_dataset],
                    "compared": compared,
                    "pairs": int(by_pass.sum()),
                    "linked_pairs": int((by_pass & one).sum()),
                    "linked_by_no_other_pass": int((by_pass & alone).sum()),
                }
            )
    return counted_by_pass(tables, limit)


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


def _histogram(evidence: Evidence, linked_by_bin: Indices, limit: int) -> list[dict[str, Any]]:
    bins = evidence.bins
    pairs = shown_together(bins.pairs.tolist(), limit)
    linked = shown_together(linked_by_bin.tolist(), limit)
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


def _linked_by_bin(
    evidence: Evidence,
    compared: Sequence[Compared],
    people: People,
    linked: Sequence[NDArray[np.bool_]],
) -> Indices:
    """Candidate pairs of one person by bin; those whose score nobody kept belong to the lowest."""
    sides = {(each.left_dataset, each.right_dataset) for each in evidence.found}
    counts = np.zeros(len(evidence.bins.pairs), dtype=np.int64)
    for each in compared:
        if (each.left, each.right) in sides:
            one = people[each.left][each.pairs.left] == people[each.right][each.pairs.right]
            counts += np.histogram(each.pairs.dice[one], evidence.bins.edges)[0]
    counts[0] += max(sum(int(each.sum()) for each in linked) - int(counts.sum()), 0)
    return counts


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
