"""Who stands for a block, the slow and obvious way: every value of every record is ranked, and records are sorted."""

from __future__ import annotations

from collections.abc import Sequence

from pprl.encode.one_person import Likeness, ranks_of

Rank = tuple[int, ...]


def ranks(like: Likeness, of_pass: bytes) -> list[Rank]:
    """The rank of each record in a pass, lowest first: a number a column, the first columns first."""
    columns = [ranks_of(column.values(), of_pass).tolist() for column in like.ranked]
    return list(zip(*columns, strict=True))


def standing(
    block: Sequence[int], like: Likeness, of_pass: bytes, *, several: bool, most: int
) -> tuple[set[int], set[int]]:
    """Who is sent, and who is next of each block that is."""
    rank = ranks(like, of_pass)
    sent, beside = set(), set()
    for number in set(block) - {-1}:
        ranked = sorted((rank[row], row) for row, of in enumerate(block) if of == number)
        leader = ranked[0][1]
        its = {leader} | {row for _, row in ranked if several and _of_one_person(like, row, leader)}
        if several and len(its) > most:
            continue
        sent |= its
        if not several and len(ranked) % 2:
            continue
        beside |= {row for _, row in [each for each in ranked if each[1] not in its][:1]}
    return sent, beside


def _of_one_person(like: Likeness, one: int, other: int) -> bool:
    told: dict[str, bool] = {}
    for column, tells in zip(like.ranked, like.main, strict=False):
        values = column.values()
        told[tells] = told.get(tells, False) or (values[one] == values[other] != "")
    return sum(told.values()) >= min(2, max(len(told), 1))
