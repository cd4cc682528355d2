"""Who stands for a block, where the agreement lets a block hold records of one person only. Runs at departments only.

What names people in scheme `field-filters` is that a matcher can compare a department's own records inside a block:
a block of three people is hardly ever like another block of the file. So only one of them is sent. If each department
took one by chance, they would rarely take the same, and links would be lost; so records are ranked by keyed digests of
what they say, which are the same wherever somebody is written down alike. The key is the pass's: who stands back
in one pass may stand for a block in another.

In a dataset where people have several records, those that seem to be of the person who stands for the block are
sent with the first: they agree with it in two of forename, surname and birth date.

docs/formats/field-filters.md is the specification; docs/decisions/0007 says what it is worth and what it costs.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from pprl.crypto import derive
from pprl.encode.passes import Coded, blocks
from pprl.protocol.blocking import BlockingPass
from pprl.protocol.kinds import Kind

RANK_LABEL = "pprl/v1/field-filters/rank"
RANK_BYTES = 16
KEY_BYTES = 32
ENOUGH_ALIKE = 2

Indices = NDArray[np.int64]
Transformed = dict[tuple[str, str], Coded]

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


def likeness(columns: Mapping[str, Coded], kinds: Mapping[str, Kind], known: Transformed) -> Likeness:
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
        blocks(columns, BlockingPass("rank", (f"{identifier}:{transform}",)), kinds, known)
        for identifier, transform in (*(each[:2] for each in main), *rest)
    ]
    return Likeness(tuple(ranked), tuple(tells for _, _, tells in main))


def block_numbers(block: Coded) -> Indices:
    """The number of each record's block, -1 for records without one."""
    numbers = np.where([bool(text) for text in block.distinct], np.arange(len(block.distinct)), -1)
    return numbers[block.codes].astype(np.int64)


def ranks(like: Likeness, key: bytes, pass_: str) -> Indices:
    """The rank of each record in a pass, lowest first; records that are alike in everything share one.

    Args:
        like: what ranks them.
        key: the scheme's key.
        pass_: name of the pass.
    """
    of_pass = derive.hkdf(key, label=RANK_LABEL, context=pass_.encode("ascii"), length=KEY_BYTES)
    digests = []
    for column in like.ranked:
        raw = derive.keyed_digests(of_pass, column.distinct, length=RANK_BYTES)
        digests.append(np.frombuffer(raw, dtype=">u8").reshape(-1, 2)[:, 0].astype(np.uint64)[column.codes])
    return np.unique(np.stack(digests, axis=1), axis=0, return_inverse=True)[1].reshape(-1).astype(np.int64)


def standing(
    block: Indices, rank: Indices, like: Likeness, *, several: bool, most: int
) -> tuple[NDArray[np.bool_], Indices]:
    """Who is sent of each block, and who would be next.

    Args:
        block: number of each record's block, -1 for none; shape (records,).
        rank: as `ranks` gives it.
        like: what shows that two records are of one person.
        several: whether a person may have several records in the dataset.
        most: a block whose first person has more records than this is left out.

    Returns:
        Whether each record is sent, and the records that are the first of another person in a block that is sent:
        only the department itself compares these, to learn how alike different people are.
    """
    sent = np.zeros(len(block), dtype=np.bool_)
    in_order = np.lexsort((rank, block))
    in_order = in_order[block[in_order] >= 0]
    first = in_order[_starts(block[in_order])]
    leader = np.full(int(block.max(initial=-1)) + 1, -1, dtype=np.int64)
    leader[block[first]] = first
    sent[first] = True
    if several:
        there = np.flatnonzero(block >= 0)
        sent[there] |= _alike(like, there, leader[block[there]])
        sizes = np.bincount(block[sent], minlength=len(leader))
        sent[there] &= sizes[block[there]] <= most
    others = in_order[~sent[in_order] & sent[leader[block[in_order]]]]
    return sent, others[_starts(block[others])]


def _alike(like: Likeness, records: Indices, leaders: Indices) -> NDArray[np.bool_]:
    """Whether records agree with those that lead their blocks in enough of what says who somebody is."""
    agreeing: dict[str, NDArray[np.bool_]] = {}
    for column, tells in zip(like.ranked, like.main, strict=False):
        there = np.array([bool(text) for text in column.distinct], dtype=np.bool_)[column.codes]
        agrees = (column.codes[records] == column.codes[leaders]) & there[records]
        agreeing[tells] = agreeing.get(tells, np.zeros(len(records), dtype=np.bool_)) | agrees
    alike = np.sum(list(agreeing.values()), axis=0) if agreeing else np.zeros(len(records), dtype=np.int64)
    return np.asarray(alike >= min(ENOUGH_ALIKE, max(len(agreeing), 1)), dtype=np.bool_)


def _starts(numbers: Indices) -> Indices:
    """Where each run of equal numbers begins."""
    return np.flatnonzero(np.append(True, numbers[1:] != numbers[:-1])[: len(numbers)])
