"""Who attacks what, and what they know: the table of all attempts.

An attack sees what one holder sees: the matcher, the key issuer, or the two together. Somebody who makes it holds a
list of people, and recognises some of the records. The table has each attack with the knowledge that it can use, and
puts first what a risk statement must have.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass

import numpy as np

from pprl.privacy import (
    block_frequency,
    dictionary,
    embedding,
    frequency,
    in_blocks,
    pair_graph,
    patterns,
    propagation,
    record_blocks,
    spectral,
)
from pprl.privacy.ground import Ground, known_in_passes
from pprl.privacy.measure import Named
from pprl.privacy.sampling import length_of
from pprl.privacy.views import NOBODY, NOBODY_KNOWN, Bytes, Names, SeenPass, Tick
from pprl.protocol.agreement import Holder, Scheme
from pprl.protocol.risk_statement import EVERYBODY, LEAKED_SECRET, VERY_FILE, ListKind, required

KNOWN = (0, 10, 30, 100, 1_000)
MANY_KNOWN = 1_000

Run = Callable[[Ground, "Knowledge", np.random.Generator, Tick], Named]


@dataclass(frozen=True, slots=True)
class Knowledge:
    """What an attacker knows of the people in a file.

    Attributes:
        list: how its list of people came about: the very file, or with errors of another office.
        overlap: how many in a hundred of the file's people are on it.
        known: how many records it recognises to begin with, at most half of those on the list.
    """

    list: ListKind
    overlap: int
    known: int


@dataclass(frozen=True, slots=True)
class Attack:
    """One way to name records.

    Attributes:
        name: of its module.
        scheme: whose encodings it reads.
        holder: who sees what it needs.
        run: makes it.
        uses_known: whether it can do more with people whom it recognises.
        needs_known: whether it can do nothing without.
    """

    name: str
    scheme: Scheme
    holder: Holder
    run: Run
    uses_known: bool = False
    needs_known: bool = False

    @property
    def has_secret(self) -> bool:
        """Whether the secret has leaked to it: what that costs is told, and judged nowhere."""
        return self.name == LEAKED_SECRET


@dataclass(frozen=True, slots=True)
class Attempt:
    """An attack by somebody who knows something; `required` where a risk statement must have it."""

    attack: Attack
    knowledge: Knowledge
    required: bool = False


# How each attack is made on the ground.


def _dictionary(ground: Ground, knows: Knowledge, rng: np.random.Generator, tick: Tick) -> Named:
    people = ground.listed(knows.list, knows.overlap)
    names = dictionary.attack(ground.filters, ground.filters_with_secret(people), rng=rng, tick=tick)
    return ground.counted(names, people, NOBODY_KNOWN)


def _dictionary_of_passes(ground: Ground, knows: Knowledge, rng: np.random.Generator, tick: Tick) -> Named:
    """Pass by pass, each for the records that no pass before it has named."""
    people = ground.listed(knows.list, knows.overlap)
    names = np.full(ground.records, NOBODY, dtype=np.int64)
    for seen, listed in zip(ground.passes, ground.passes_with_secret(people), strict=True):
        left = names[seen.rows] == NOBODY
        found = dictionary.attack(_flat(seen)[left], _flat(listed), rng=rng, tick=tick)
        names[seen.rows[left]] = np.where(found == NOBODY, NOBODY, listed.rows[found])
    return ground.counted(names, people, NOBODY_KNOWN)


def _flat(seen: SeenPass) -> Bytes:
    """All filters of a record after each other."""
    return np.ascontiguousarray(seen.filters.reshape(len(seen.rows), -1))


def _frequency(ground: Ground, knows: Knowledge, _rng: np.random.Generator, tick: Tick) -> Named:
    people = ground.listed(knows.list, knows.overlap)
    seen, listed = (
        frequency.codes_of(each[:, None])
        for each in (ground.filters, ground.listed_filters(knows.list, knows.overlap))
    )
    return ground.counted(frequency.attack(seen, listed, tick=tick), people, NOBODY_KNOWN)


def _block_frequency(ground: Ground, knows: Knowledge, rng: np.random.Generator, tick: Tick) -> Named:
    people = ground.listed(knows.list, knows.overlap)
    seen, records = ground.single_passes
    listed, *_ = ground.whole_list_passes(knows.list, knows.overlap)
    names = block_frequency.attack(seen, listed, rng=rng, tick=tick)
    return ground.counted_over_passes(names, records, people, NOBODY_KNOWN)


def _record_blocks(ground: Ground, knows: Knowledge, rng: np.random.Generator, tick: Tick) -> Named:
    """With both departments' files before it, and a list of each."""
    people = ground.listed(knows.list, knows.overlap)
    known = ground.known(people, knows.known)
    names = record_blocks.attack(
        ground.both_passes,
        ground.both_listed_passes(knows.list, knows.overlap),
        known,
        ground.encoder.fields,
        rng=rng,
        tick=tick,
        records=ground.records,
        first=(ground.records, length_of(people.columns)),
    )
    return ground.counted(names, people, known)


def _on_filters(attack: Callable[..., Names]) -> Run:
    """An attack on whole filters, seen and listed, with whom it recognises."""

    def run(ground: Ground, knows: Knowledge, rng: np.random.Generator, tick: Tick) -> Named:
        people = ground.listed(knows.list, knows.overlap)
        known = ground.known(people, knows.known)
        listed = ground.listed_filters(knows.list, knows.overlap)
        return ground.counted(attack(ground.filters, listed, known, rng=rng, tick=tick), people, known)

    return run


def _in_blocks(ground: Ground, knows: Knowledge, rng: np.random.Generator, tick: Tick) -> Named:
    people = ground.listed(knows.list, knows.overlap)
    known = ground.known(people, knows.known)
    seen, records = ground.single_passes
    listed, *again = ground.whole_list_passes(knows.list, knows.overlap)
    recognised = known_in_passes(known, records)
    fields = ground.encoder.fields
    names = in_blocks.attack(seen, listed, recognised, fields, rng=rng, tick=tick, again=again)
    return ground.counted_over_passes(names, records, people, known)


def _pair_graph(ground: Ground, knows: Knowledge, rng: np.random.Generator, tick: Tick) -> Named:
    people = ground.listed(knows.list, knows.overlap)
    known = ground.known(people, knows.known)
    listed = ground.listed_pairs(knows.list, knows.overlap)
    names = pair_graph.attack(ground.pairs, listed, known, rng=rng, tick=tick)[: ground.records]
    return ground.counted(names, people, known)


def _patterns(ground: Ground, knows: Knowledge, rng: np.random.Generator, tick: Tick) -> Named:
    people = ground.listed(knows.list, knows.overlap)
    names = patterns.attack(ground.filters, ground.tokens(people), rng=rng, tick=tick)
    return ground.counted(names, people, NOBODY_KNOWN)


ATTACKS: tuple[Attack, ...] = (
    Attack("spectral", "clk", "matcher", _on_filters(spectral.attack)),
    Attack(
        "propagation", "clk", "matcher", _on_filters(propagation.attack), uses_known=True, needs_known=True
    ),
    Attack("embedding", "clk", "matcher", _on_filters(embedding.attack), uses_known=True, needs_known=True),
    Attack("block_frequency", "field-filters", "matcher", _block_frequency),
    Attack("in_blocks", "field-filters", "matcher", _in_blocks, uses_known=True),
    Attack("pair_graph", "field-filters", "key-issuer", _pair_graph, uses_known=True),
    Attack("record_blocks", "field-filters", "together", _record_blocks, uses_known=True),
    Attack("patterns", "clk", "matcher", _patterns),
    Attack("frequency", "clk", "matcher", _frequency),
    Attack("dictionary", "clk", "matcher", _dictionary),
    Attack("dictionary", "field-filters", "matcher", _dictionary_of_passes),
)


CONTROLS: Mapping[Scheme, tuple[Attack, ...]] = {
    scheme: tuple(each for each in ATTACKS if each.scheme == scheme and each.uses_known)
    for scheme in ("clk", "field-filters")
}
"""Of scheme `clk` the attacks of whom one must name nearly everybody in a plain CLK; of each those that must name
nobody in random bits: those who can use people whom they recognise, as the hardest to resist."""


def attempts(scheme: Scheme, *, records: int, known_people: int) -> list[Attempt]:
    """All attempts at a file, those first that must be made.

    Args:
        scheme: how it is encoded.
        records: how many are attacked.
        known_people: whom an attacker recognises who counts.
    """
    must = {
        (holder, name, Knowledge(VERY_FILE, EVERYBODY, 0 if knows == "nobody" else known_people))
        for holder, name, knows in required(scheme)
    }
    found: dict[tuple[str, Knowledge], Attempt] = {}
    for attack in ATTACKS:
        if attack.scheme == scheme:
            for knowledge in _knowledge(attack, known_people):
                attempt = Attempt(attack, knowledge, (attack.holder, attack.name, knowledge) in must)
                if attempt.required or 2 * knowledge.known <= records * knowledge.overlap / 100:
                    found[attack.name, knowledge] = attempt
    return sorted(found.values(), key=lambda each: (not each.required, each.knowledge.known > known_people))


def _knowledge(attack: Attack, known_people: int) -> Iterator[Knowledge]:
    """What somebody who makes an attack may know, the most telling first."""
    if not attack.uses_known:
        yield from (Knowledge(VERY_FILE, overlap, 0) for overlap in (EVERYBODY, 50, 20))
        yield from (Knowledge("light", overlap, 0) for overlap in (EVERYBODY, 50))
        yield Knowledge("heavy", EVERYBODY, 0)
        return
    some = {*KNOWN, known_people} - ({0} if attack.needs_known and known_people else set())
    yield from (Knowledge(VERY_FILE, EVERYBODY, known) for known in sorted(some))
    yield from (Knowledge(VERY_FILE, overlap, known_people) for overlap in (50, 20))
    for known in sorted({known_people, MANY_KNOWN}):
        yield from (Knowledge("light", overlap, known) for overlap in (EVERYBODY, 50, 20))
        yield from (Knowledge("heavy", overlap, known) for overlap in (EVERYBODY, 20))
