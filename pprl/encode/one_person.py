"""Who stands for a block, where the agreement lets a block hold records of one person only. Runs at departments only.

What names people in scheme `field-filters` is that a matcher can compare a department's own records inside a block:
a block of three people is hardly ever like another block of the file. So only one of them is sent. If each department
took one by chance, they would rarely take the same, and links would be lost; so records are ranked by keyed digests of
what they say, which are the same wherever somebody is written down alike. The key is the pass's: who stands back
in one pass may stand for a block in another.

A digest costs more than anything else here, and most of them would decide nothing: whom a forename tells apart needs
no rank of a postcode. So a value is digested only where records of one block are still level and differ in it.

In a dataset where people have several records, those that seem to be of the person who stands for the block are
sent with the first: they agree with it in two of forename, surname and birth date.

From own pairs the key issuer learns how many pairs of different people two datasets will show. A large block has one
such pair between two datasets, and it would have one in each of the two as well. So where people have one record each,
only blocks with an even number of records show a pair: for two datasets of the same make-up that expects as many as
there will be.

docs/formats/field-filters.md is the specification; docs/decisions/0007 says what it is worth and what it costs.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from pprl.crypto import derive
from pprl.encode.passes import NO_BLOCK, Coded, Codes, Known, transformed
from pprl.protocol.kinds import Kind
from pprl.protocol.levels import compiled

RANK_LABEL = "pprl/v1/field-filters/rank"
RANK_BYTES = 16
KEY_BYTES = 32
ENOUGH_ALIKE = 2

Indices = NDArray[np.int64]
Ranks = NDArray[np.uint64]

_HIGHEST = np.uint64(2**64 - 1)

# What says who somebody is, in this order; the rest of the identifiers follows, each whole.
_MAIN: tuple[tuple[Kind, str, str], ...] = (
    ("given-name", "canonical-phonetic", "forename"),
    ("full-name", "canonical-phonetic", "forename"),
    ("surname", "phonetic", "surname"),
    ("full-name", "phonetic-last", "surname"),
    ("date-of-birth", "whole", "birth"),
    ("year-of-birth", "whole", "birth"),
)


@dataclass(frozen=True, slots=True)
class Likeness:
    """What records are ranked by, and what shows that two are of one person.

    Attributes:
        ranked: columns in the order in which they rank.
        main: what each of them, from the first, tells of who somebody is: forename, surname or birth; shorter than
            `ranked`.
    """

    ranked: tuple[Coded, ...]
    main: tuple[str, ...]


def likeness(columns: Mapping[str, Coded], kinds: Mapping[str, Kind], known: Known) -> Likeness:
    """The columns that rank a dataset's records.

    Args:
        columns: numbered columns by identifier.
        kinds: the kind of each identifier.
        known: transformed columns by identifier and transform, read and added to.
    """
    main = [
        (identifier, transform, tells)
        for kind, transform, tells in _MAIN
        for identifier, its in kinds.items()
        if its == kind
    ]
    named = {identifier for identifier, _, _ in main}
    rest = [(identifier, "whole") for identifier in kinds if identifier not in named]
    ranked = [
        transformed(columns, identifier, transform, known)
        for identifier, transform in (*(each[:2] for each in main), *rest)
    ]
    return Likeness(tuple(ranked), tuple(tells for _, _, tells in main))


def rank_key(key: bytes, pass_: str) -> bytes:
    """The key of a pass's ranks.

    Args:
        key: the scheme's key.
        pass_: name of the pass.
    """
    return derive.hkdf(key, label=RANK_LABEL, context=pass_.encode("ascii"), length=KEY_BYTES)


def ranks_of(texts: Sequence[str], of_pass: bytes) -> Ranks:
    """The ranks of values under a pass's `rank_key`, lowest first, shape (texts,)."""
    raw = derive.keyed_digests(of_pass, texts, length=RANK_BYTES)
    return np.frombuffer(raw, dtype=">u8").reshape(-1, 2)[:, 0].astype(np.uint64)


def standing(
    block: Codes, like: Likeness, of_pass: bytes, *, several: bool, most: int
) -> tuple[NDArray[np.bool_], Indices]:
    """Who is sent of each block, and who would be next.

    Args:
        block: number of each record's block, -1 for none; shape (records,).
        like: what ranks them, and what shows that two records are of one person.
        of_pass: the pass's `rank_key`.
        several: whether a person may have several records in the dataset.
        most: a block whose first person has more records than this is left out.

    Returns:
        Whether each record is sent, and in the order of their blocks the records that are the first of another person
        in a block that is sent: only the department itself compares these, to learn how alike different people are.
        Where people have one record each, blocks with an odd number of records have none.

    Source: Good and Toulmin (1956): of blocks with 1, 2, 3 ... records f1, f2, f3 ... in number, another dataset of
        the same make-up is expected to hit 2 (f2 + f4 + ...) again.
    """
    there = np.flatnonzero(block >= 0)
    blocks = int(block.max(initial=NO_BLOCK)) + 1
    leader = _first_of_each(there, block, blocks, like, of_pass)
    sent = np.zeros(len(block), dtype=np.bool_)
    sent[leader[leader >= 0]] = True
    if several:
        sent[there] |= _alike(like, there, leader[block[there]])
        sizes = np.bincount(block[sent], minlength=blocks)
        sent[there] &= sizes[block[there]] <= most
    beside = there[~sent[there] & sent[leader[block[there]]]]
    if not several:
        beside = beside[np.bincount(block[there], minlength=blocks)[block[beside]] % 2 == 0]
    following = _first_of_each(beside, block, blocks, like, of_pass)
    return sent, following[following >= 0]


def _first_of_each(rows: Indices, block: Codes, blocks: int, like: Likeness, of_pass: bytes) -> Indices:
    """Of the given records, which are in ascending order, the one that ranks first in each block; -1 where none is."""
    first = np.full(blocks, NO_BLOCK, dtype=np.int64)
    left = rows
    for column in like.ranked:
        left = _undecided(left, block, first)
        if not len(left):
            return first
        stays = ~_contested(left, block, column.codes, blocks)
        stays[~stays] = _lowest(left[~stays], block, blocks, column, of_pass)
        left = left[stays]
    # Those that are still level are alike in everything: any will do.
    first[block[left[::-1]]] = left[::-1]
    return first


def _undecided(rows: Indices, block: Codes, first: Indices) -> Indices:
    """The records of blocks that have several of them; where there is one, it is first."""
    alone = np.bincount(block[rows], minlength=len(first))[block[rows]] == 1
    first[block[rows[alone]]] = rows[alone]
    several: Indices = rows[~alone]
    return several


def _contested(rows: Indices, block: Codes, codes: Codes, blocks: int) -> NDArray[np.bool_]:
    """Whether each record is of a block whose records differ in a column."""
    its_block, its_code = block[rows], codes[rows]
    one_of_them = np.empty(blocks, dtype=codes.dtype)
    one_of_them[its_block] = its_code
    contested = np.zeros(blocks, dtype=np.bool_)
    contested[its_block[its_code != one_of_them[its_block]]] = True
    return contested[its_block]


def _lowest(rows: Indices, block: Codes, blocks: int, column: Coded, of_pass: bytes) -> NDArray[np.bool_]:
    """Whether no record of its block comes before each record in a column."""
    codes, place = np.unique(column.codes[rows], return_inverse=True)
    texts = list(map(column.distinct.__getitem__, codes.tolist()))
    rank = ranks_of(texts, of_pass)[place]
    lowest = np.full(blocks, _HIGHEST)
    _take_lowest(block[rows], rank, lowest)
    return np.asarray(rank == lowest[block[rows]])


@compiled
def _take_lowest(blocks: Codes, rank: Ranks, lowest: Ranks) -> None:
    for place in range(len(blocks)):
        lowest[blocks[place]] = min(lowest[blocks[place]], rank[place])


def _alike(like: Likeness, records: Indices, leaders: Indices) -> NDArray[np.bool_]:
    """Whether records agree with those that lead their blocks in enough of what says who somebody is."""
    agreeing: dict[str, NDArray[np.bool_]] = {}
    for column, tells in zip(like.ranked, like.main, strict=False):
        theirs = column.codes[records]
        agrees = (theirs == column.codes[leaders]) & (theirs != column.missing())
        agreeing[tells] = agreeing.get(tells, np.zeros(len(records), dtype=np.bool_)) | agrees
    alike = np.sum(list(agreeing.values()), axis=0) if agreeing else np.zeros(len(records), dtype=np.int64)
    return np.asarray(alike >= min(ENOUGH_ALIKE, max(len(agreeing), 1)), dtype=np.bool_)
