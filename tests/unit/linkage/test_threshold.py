from collections.abc import Callable

import numpy as np
import pytest
from numpy.typing import NDArray

from coordinator.linkage.compare import Pairs, compare, plan_floor
from coordinator.linkage.solve import Compared, clusters
from coordinator.linkage.threshold import NOTHING_LINKS, ThresholdEstimate, estimate_threshold
from pprl.scoring import Score, score

TARGET = 0.9
Table = tuple[NDArray[np.uint8], NDArray[np.int64]]
TwoTables = Callable[..., tuple[Table, Table]]


def all_pairs(tables: list[Table]) -> tuple[list[Compared], float]:
    floor = plan_floor([filters for filters, _ in tables])
    found = [
        Compared(
            i,
            j,
            compare(tables[i][0], None if i == j else tables[j][0], floor=floor, progress=lambda _: None),
        )
        for i in range(len(tables))
        for j in range(i, len(tables))
    ]
    return found, floor


def link(
    tables: list[Table], duplicates: list[bool], *, target: float = 0.95, fixed: float | None = None
) -> tuple[ThresholdEstimate, Score]:
    return decide(tables, *all_pairs(tables), duplicates, target=target, fixed=fixed)


def decide(
    tables: list[Table],
    found: list[Compared],
    floor: float,
    duplicates: list[bool],
    *,
    target: float = TARGET,
    fixed: float | None = None,
) -> tuple[ThresholdEstimate, Score]:
    sizes = [len(who) for _, who in tables]
    decided = estimate_threshold(
        found,
        encoded=sizes,
        may_have_duplicates=duplicates,
        floor=floor,
        target_precision=target,
        fixed=fixed,
    )
    people = clusters(sizes, duplicates, found, decided.threshold)
    return decided, score(people, [who for _, who in tables], duplicates)


@pytest.mark.parametrize(
    ("overlap", "least_precision", "least_recall"), [(1.0, 0.99, 0.97), (0.5, 0.95, 0.93), (0.1, 0.90, 0.7)]
)
def test_links_well_at_any_overlap(
    overlap: float, least_precision: float, least_recall: float, two_tables: TwoTables
) -> None:
    decided, truth = link(list(two_tables(1000, overlap, 1)), [False, False])
    assert truth.precision >= least_precision
    assert truth.recall >= least_recall
    assert decided.estimated_precision is not None
    assert decided.estimated_precision.estimate == pytest.approx(truth.precision, abs=0.07)
    assert decided.estimated_precision.lower >= TARGET
    if overlap > 0.1:
        assert decided.estimated_precision.lower <= truth.precision <= decided.estimated_precision.upper
        assert decided.estimated_recall == pytest.approx(truth.recall, abs=0.07)


def test_links_next_to_nothing_where_nobody_is_in_both(two_tables: TwoTables) -> None:
    for seed in (1, 2):
        _, truth = link(list(two_tables(1000, 0.0, seed)), [False, False])
        assert truth.linked_pairs <= 5


def test_the_threshold_rises_as_the_overlap_falls(two_tables: TwoTables) -> None:
    thresholds = [
        link(list(two_tables(600, overlap, 2)), [False, False])[0].threshold for overlap in (1, 0.5, 0.05)
    ]
    assert thresholds == sorted(thresholds)
    assert thresholds[0] < thresholds[-1]


@pytest.mark.parametrize("duplicates", [[True, True, False], [True, True, True]])
def test_links_several_records_of_a_person(
    duplicates: list[bool], three_tables_with_duplicates: list[Table]
) -> None:
    decided, truth = link(three_tables_with_duplicates, duplicates)
    assert truth.precision >= 0.95
    assert truth.recall >= 0.75
    assert decided.estimated_precision is not None
    assert decided.estimated_precision.estimate == pytest.approx(truth.precision, abs=0.05)
    assert ("shape" in decided.method) == all(duplicates)


def test_a_few_duplicates_that_nobody_declared_do_not_stop_the_linkage(two_tables: TwoTables) -> None:
    _, truth = link(list(two_tables(1000, 0.6, 9, twice=30)), [False, False], target=0.85)
    assert truth.precision >= 0.95
    assert truth.recall >= 0.7


def test_many_nearly_equal_pairs_inside_are_taken_for_namesakes(two_tables: TwoTables) -> None:
    tables = list(two_tables(500, 0.2, 9))
    twice = [
        (np.vstack([filters, filters[:100]]), np.concatenate([who, who[:100]])) for filters, who in tables
    ]
    decided, truth = link(twice, [False, False])
    assert truth.linked_pairs == 0
    assert "may_have_duplicates" in decided.method
    assert link(twice, [True, True])[1].f1 >= 0.85


def test_judges_a_fixed_threshold_by_the_same_measure(two_tables: TwoTables) -> None:
    tables = list(two_tables(1000, 0.3, 3))
    pairs = all_pairs(tables)
    for fixed in (0.75, 0.8, 0.9):
        decided, truth = decide(tables, *pairs, [False, False], fixed=fixed)
        assert decided.threshold == fixed
        assert decided.method.startswith("fixed by the agreement")
        assert decided.estimated_precision is not None
        assert decided.estimated_precision.estimate == pytest.approx(truth.precision, abs=0.06)
    found = decide(tables, *pairs, [False, False])[0]
    judged = decide(tables, *pairs, [False, False], fixed=found.threshold)[0]
    assert judged.estimated_precision == found.estimated_precision
    assert judged.estimated_recall == found.estimated_recall


def test_a_fixed_threshold_above_all_scores_has_no_estimates(two_tables: TwoTables) -> None:
    decided, truth = link(list(two_tables(200, 0.0, 4)), [False, False], fixed=1.0)
    assert truth.linked_pairs == 0
    assert decided.estimated_precision is None


def test_a_higher_target_never_lowers_the_threshold(two_tables: TwoTables) -> None:
    found, floor = all_pairs(list(two_tables(800, 0.1, 5)))
    thresholds = [
        estimate_threshold(
            found,
            encoded=[800, 800],
            may_have_duplicates=[False, False],
            floor=floor,
            target_precision=target,
        ).threshold
        for target in (0.5, 0.8, 0.9, 0.95, 0.98, 0.99, 0.999)
    ]
    assert thresholds == sorted(thresholds)
    assert thresholds[0] < thresholds[-1]


@pytest.mark.parametrize("sizes", [(0, 0), (1, 1), (3, 0), (10, 12)])
@pytest.mark.parametrize("duplicates", [False, True])
def test_too_little_to_tell_gives_a_cautious_threshold(sizes: tuple[int, int], duplicates: bool) -> None:
    rng = np.random.default_rng(6)
    tables = [(rng.integers(0, 256, (size, 64), dtype=np.uint8), np.arange(size)) for size in sizes]
    decided, _ = link(tables, [duplicates, duplicates])
    assert decided.threshold == 0.9
    assert decided.estimated_precision is None
    assert decided.estimated_recall is None
    assert link(tables, [duplicates, duplicates], fixed=0.7)[0].threshold == 0.7


def test_nothing_links_where_no_threshold_is_good_enough() -> None:
    # The scores between the tables are just those inside them: nobody seems to be in both.
    rng = np.random.default_rng(7)
    tables = [(np.packbits(rng.random((400, 512)) < 0.5, axis=1), np.arange(400)) for _ in range(2)]
    decided, truth = link(tables, [False, False])
    assert decided.threshold == NOTHING_LINKS
    assert truth.linked_pairs == 0
    assert "nothing is linked" in decided.method


def test_no_candidates_at_all_is_no_links() -> None:
    none = Pairs(np.empty(0, np.uint32), np.empty(0, np.uint32), np.empty(0))
    found = [Compared(0, 0, none), Compared(0, 1, none), Compared(1, 1, none)]
    for duplicates in ([False, False], [True, False], [True, True]):
        decided = estimate_threshold(
            found, encoded=[500, 500], may_have_duplicates=duplicates, floor=0.6, target_precision=0.95
        )
        assert decided.threshold == NOTHING_LINKS


def test_evidence_adds_up_and_cannot_be_changed(two_tables: TwoTables) -> None:
    tables = list(two_tables(600, 0.4, 8))
    found, _ = all_pairs(tables)
    decided, truth = link(tables, [False, False])
    evidence = decided.evidence
    assert evidence.pairs.sum() == len(found[1].pairs)
    at = int(np.flatnonzero(evidence.lower_edge == decided.threshold)[0])
    assert evidence.links[at] == truth.linked_pairs
    assert evidence.expected_matches.sum() == pytest.approx(0.4 * 600, rel=0.1)
    with pytest.raises(ValueError, match="read-only"):
        evidence.pairs[0] = 1
