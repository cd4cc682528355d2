"""The matcher's fit of a pass where all of a block is sent: which pairs are hopeless, told from that pass alone.

Where several people of a dataset share a block, pairs inside it show what different people look like, and a record's
pairs are rivals (`model`). Where none do, every pair is by itself: `pprl.protocol.pass_fit`.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np

from coordinator.linkage.model import (
    Comparison,
    NonMatchTable,
    Roles,
    Side,
    alike_in_everything,
    expectation_maximisation,
    fit_non_matches,
    perhaps_one_person,
    table_of,
)
from pprl.protocol.match_model import Numbers
from pprl.protocol.pass_fit import PassFit, Tally, fit_tallies, may_link


def fit_pass(
    comparisons: Sequence[Comparison], random: Numbers, roles: Roles, clean: Sequence[bool]
) -> PassFit:
    """Learn the odds of pairs from one pass alone, so as to drop hopeless ones. The matcher runs this.

    Args:
        comparisons: every two datasets, and every dataset with itself.
        random: probability of each level for random pairs, shape (fields, 13).
        roles: what the fields are.
        clean: for each dataset, whether it has one record a person.
    """
    tables, possible = within_tables(comparisons, len(random), roles, clean)
    rate = sum(float(table.counts.sum()) for table in tables) / max(possible, 1.0)
    if not rate:
        tallies = [
            Tally.of(each.patterns, (each.left_dataset, each.right_dataset), each.pairs.rows)
            for each in comparisons
        ]
        fit = fit_tallies(tallies, random, clean, ())
        odds = [
            log_odds[np.searchsorted(tally.patterns, each.patterns)]
            for log_odds, tally, each in zip(fit.log_odds, tallies, comparisons, strict=True)
        ]
        return PassFit(fit.non_matches, fit.matches, tuple(odds))
    linking = [each for each in comparisons if may_link(each, clean)]
    non_matches = fit_non_matches(tables, random, roles)
    sides = [Side.of(each, len(random), non_matches, rate) for each in linking]
    matches, expected, _ = expectation_maximisation(sides, random)
    found = dict(zip(map(id, linking), expected, strict=True))
    share = sum(expected) / max(sum(each.possible for each in linking), 1.0)
    odds = []
    for each in comparisons:
        # Pairs inside a clean dataset are judged as if they were between two: they are what mistakes look like.
        side = Side.of(each, len(random), non_matches, rate)
        odds.append(side.log_odds(matches, found.get(id(each), share * each.possible))[side.place])
    return PassFit(non_matches, matches, tuple(odds))


def within_tables(
    comparisons: Iterable[Comparison], fields: int, roles: Roles, clean: Sequence[bool]
) -> tuple[list[NonMatchTable], float]:
    """Patterns of pairs of different people, and how many pairs they were looked for among.

    Args:
        comparisons: of a pass; those between datasets are passed over.
        fields: how many a pattern has.
        roles: what they are.
        clean: for each dataset, whether it has one record a person; in others, what may be one person's is left out.
    """
    tables, possible = [], 0.0
    for each in comparisons:
        if not each.within:
            continue
        same = alike_in_everything if clean[each.left_dataset] else perhaps_one_person
        different = ~same(each.patterns, roles)
        tables.append(table_of(each.patterns[different], fields))
        possible += each.possible
    return tables, possible
