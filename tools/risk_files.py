"""What `pprl risk` does not try: the matcher with both departments' files, the other two with a list of one.

`pprl risk` attacks in each place as a department can judge it: the matcher one file, the key issuer and the two
together both. `tools.risk` makes the other attempts beside them, so that the page says what each holder of a list can
do, with one list and with two. Each is an attack of `pprl.privacy` on other views; nothing is learnt here in a new way.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from pprl.privacy import exposure, in_blocks, pair_graph, record_blocks
from pprl.privacy.attempts import Attack, Attempt, Knowledge
from pprl.privacy.ground import Ground, known_in_passes
from pprl.privacy.measure import Named
from pprl.privacy.sampling import length_of
from pprl.privacy.views import NOBODY, Indices, SeenPass, Tick
from pprl.protocol.risk_statement import EVERYBODY, VERY_FILE

# Bit of the mask of values that tells which department a record is of. Fields take the lower ones.
_OF_THE_SECOND = np.uint32(1 << 31)
_MOST_LAID_OVER_EACH_OTHER = 20_000


def _in_blocks_of_both(ground: Ground, knows: Knowledge, rng: np.random.Generator, tick: Tick) -> Named:
    """The matcher's attack on blocks, with both files before it and a list of each."""
    people = ground.listed(knows.list, knows.overlap)
    known = ground.known(people, knows.known)
    seen, records = exposure.as_the_matcher_sees(ground.both_passes, ground.rng(41))
    listed = ground.both_listed_passes(knows.list, knows.overlap)
    on_list = length_of(people.columns)
    found = in_blocks.attack(
        [_marked(each, of, ground.records) for each, of in zip(seen, records, strict=True)],
        [_marked(each, each.rows, on_list) for each in listed],
        known_in_passes(known, records),
        ground.encoder.fields,
        rng=rng,
        tick=tick,
    )
    ours = [np.flatnonzero(of < ground.records) for of in records]
    names = [_of_the_first(said[mine], on_list) for said, mine in zip(found, ours, strict=True)]
    return ground.counted_over_passes(
        names, [of[mine] for of, mine in zip(records, ours, strict=True)], people, known
    )


def _marked(seen: SeenPass, rows: Indices, of_the_first: int) -> SeenPass:
    """With the department of each record beside the values that it has: the matcher sees that."""
    second = np.where(rows >= of_the_first, _OF_THE_SECOND, np.uint32(0))
    return replace(seen, present=seen.present | second)


def _of_the_first(names: Indices, on_list: int) -> Indices:
    """A name that is on the second department's list is none for a record of the first."""
    return np.where(names < on_list, names, NOBODY)


def _pair_graph_of_one(ground: Ground, knows: Knowledge, rng: np.random.Generator, tick: Tick) -> Named:
    """The key issuer's attack, by somebody who has a list of this file alone and makes up the other."""
    people = ground.listed(knows.list, knows.overlap)
    known = ground.known(people, knows.known)
    listed = ground.listed_pairs_of_one(knows.list, knows.overlap)
    names = pair_graph.attack(ground.pairs, listed, known, rng=rng, tick=tick)[: ground.records]
    return ground.counted(names, people, known)


def _record_blocks_of_one(ground: Ground, knows: Knowledge, rng: np.random.Generator, tick: Tick) -> Named:
    """The attack of both roles together on this file alone: what nobody else's records are needed for."""
    people = ground.listed(knows.list, knows.overlap)
    known = ground.known(people, knows.known)
    listed = ground.listed_passes(knows.list, knows.overlap)
    names = record_blocks.attack(
        ground.passes, listed, known, ground.encoder.fields, rng=rng, tick=tick, records=ground.records
    )
    return ground.counted(names, people, known)


ATTACKS: tuple[Attack, ...] = (
    Attack("in_blocks, two lists", "field-filters", "matcher", _in_blocks_of_both, uses_known=True),
    Attack("pair_graph, one list", "field-filters", "key-issuer", _pair_graph_of_one, uses_known=True),
    Attack("record_blocks, one list", "field-filters", "together", _record_blocks_of_one, uses_known=True),
)


def attempts_with_other_lists(known_people: int, *, records: int) -> list[Attempt]:
    """Each with the very file, nobody and some recognised, and with other offices' lists.

    The matcher with two lists lays all blocks over all others: in large files that takes hours, and is left out.
    """
    knows = (
        Knowledge(VERY_FILE, EVERYBODY, 0),
        Knowledge(VERY_FILE, EVERYBODY, known_people),
        Knowledge("light", EVERYBODY, known_people),
        Knowledge("heavy", EVERYBODY, known_people),
    )
    made = [each for each in ATTACKS if each.holder != "matcher" or records <= _MOST_LAID_OVER_EACH_OTHER]
    return [Attempt(attack, each) for attack in made for each in knows]
