"""How large the blocks of each pass are, before anything is encoded. Runs at departments only, and needs no secret.

Tags and salts are keyed, block values are not: their sizes can be counted from the records alone. `pprl check` shows
them, so that a department sees what each pass costs and misses while the passes can still be changed.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from pprl.encode.at_home import joined, stand_ins
from pprl.encode.one_person import likeness, rank_key, standing
from pprl.encode.passes import BlockNumbers, Coded, Indices, Known, coded, numbered_blocks
from pprl.protocol.blocking import BlockingPass
from pprl.protocol.kinds import Kind

_NO_SECRET = bytes(32)


@dataclass(frozen=True, slots=True)
class PassBlocks:
    """The blocks of one pass.

    Attributes:
        name: of the pass.
        records: how many records are compared in it.
        without_block: how many lack a part of the pass.
        suppressed: how many are left out because their block has too many records, or others stand for it.
        largest: records of the largest block, left out or not; 0 if there is none.
        predicted_pairs: pairs to compare with another dataset of the same size and make-up.
    """

    name: str
    records: int
    without_block: int
    suppressed: int
    largest: int
    predicted_pairs: int


@dataclass(frozen=True, slots=True)
class Blocks:
    """The blocks of all passes.

    Attributes:
        passes: in the agreement's order.
        in_no_pass: records that no pass compares, so that they can't be linked.
    """

    passes: tuple[PassBlocks, ...]
    in_no_pass: int

    @property
    def predicted_pairs(self) -> int:
        """Over all passes, a pair as often as passes find it: the matcher compares it that often."""
        return sum(each.predicted_pairs for each in self.passes)


def kept_blocks(block: Coded, max_block_records: int) -> tuple[NDArray[np.int64], NDArray[np.bool_]]:
    """How many records each block has, 0 for "no block", and which blocks are compared.

    Args:
        block: the block of each record, "" where a part is missing.
        max_block_records: a larger block is left out.
    """
    has_text = np.array([bool(text) for text in block.distinct], dtype=np.bool_)
    sizes = np.bincount(block.codes, minlength=len(block.distinct)) * has_text
    return sizes, has_text & (sizes <= max_block_records)


def block_sizes(
    columns: Mapping[str, Sequence[str] | Coded],
    passes: Sequence[BlockingPass],
    kinds: Mapping[str, Kind],
    *,
    max_block_records: int,
    one_person_a_block: bool = False,
    several: bool = False,
    join_at_home: bool = False,
) -> Blocks:
    """Count the blocks of a dataset in each pass.

    Where one person stands for a block, who that is needs the linkage secret; the counts are then for others who
    might, and in a dataset with duplicates differ by a few.

    Args:
        columns: standardised values of the records that can be encoded, by identifier; "" where missing.
        passes: the agreement's.
        kinds: the kind of each identifier.
        max_block_records: a larger block is left out of its pass.
        one_person_a_block: whether one person's records stand for a block.
        several: whether a person may have several records.
        join_at_home: whether those are then joined, and one stands for them; a person counts as one record.
    """
    numbered = {name: coded(columns[name]) for name in kinds}
    known: Known = {}
    like = likeness(numbered, kinds, known)
    joins = several and join_at_home and one_person_a_block
    rows = len(next(iter(numbered.values())).codes)
    home = joined(numbered, kinds).first if joins else np.arange(rows)
    compared = np.zeros(rows, dtype=np.bool_)
    people = len(np.unique(home))
    found = []
    for pass_ in passes:
        block = numbered_blocks(numbered, pass_, kinds, known)
        block = stand_ins(block, home) if joins else block
        if one_person_a_block:
            of_pass = rank_key(_NO_SECRET, pass_.name)
            sent, _ = standing(
                block.numbers, like, of_pass, several=several and not joins, most=max_block_records
            )
        else:
            sent = in_kept_blocks(block, max_block_records)
        compared[home[sent]] = True
        found.append(_of_pass(pass_.name, block, sent, people))
    return Blocks(tuple(found), people - int(compared.sum()))


def in_kept_blocks(block: BlockNumbers, max_block_records: int) -> NDArray[np.bool_]:
    """Whether each record has a block that is not larger than allowed.

    Args:
        block: the blocks of a pass.
        max_block_records: a larger block is left out.
    """
    kept = np.append(block.sizes() <= max_block_records, False)  # the last is that of records without a block
    return kept[block.numbers]


def _of_pass(name: str, block: BlockNumbers, sent: NDArray[np.bool_], records: int) -> PassBlocks:
    sizes = block.sizes()
    sent_of_each: Indices = np.bincount(block.numbers[sent], minlength=len(sizes))
    return PassBlocks(
        name=name,
        records=int(sent.sum()),
        without_block=records - int(sizes.sum()),
        suppressed=int(sizes.sum() - sent.sum()),
        largest=int(sizes.max(initial=0)),
        predicted_pairs=int((sent_of_each**2).sum()),
    )
