"""The matcher's computation: from encodings to the pairs that are not hopeless. Pure."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from pprl.protocol.agreement import AgreementFile
from pprl.protocol.pairs import PairTable
from pprl.protocol.patterns import PatternTable
from pprl.protocol.submission import Encodings

Progress = Callable[[str, float], None]


@dataclass(frozen=True, slots=True)
class Matched:
    """What the matcher has found.

    Attributes:
        document: the bytes of `pairs`, or of `patterns` in scheme `field-filters`.
        compared: pairs that were compared.
        pairs: pairs that are left.
        tables: how many of both for each pass and each two datasets.
        records: records of all datasets.
    """

    document: bytes = field(repr=False)
    compared: int
    pairs: int
    tables: tuple[PairTable | PatternTable, ...]
    records: int


def match(agreement: AgreementFile, encodings: Mapping[str, Encodings], *, progress: Progress) -> Matched:
    """Compare every two datasets, and every dataset with itself; the matcher runs this.

    Pairs inside a dataset are needed even where it has no duplicates: they show how alike different people are.

    Args:
        agreement: names the datasets, in the order of the result, and the scheme.
        encodings: of every dataset.
        progress: told what is compared, and the share of it that is done.

    Leaks: to the key issuer, which references are alike, and how much.
    """
    if agreement.content.encoding.scheme == "clk":
        from coordinator.linkage import match_clk  # noqa: PLC0415 - each scheme loads its own libraries

        return match_clk.match(agreement, encodings, progress=progress)
    from coordinator.linkage import match_field_filters  # noqa: PLC0415

    return match_field_filters.match(agreement, encodings, progress=progress)
