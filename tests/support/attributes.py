"""Filters as others make them, which scheme `field-filters` does not: one an attribute, the same wherever it stands."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from pprl.encode.clk import ClkEncoder
from pprl.privacy.views import Bytes
from pprl.protocol.agreement import Agreement, ClkFeature, ClkParameters, Encoding


def ngrams(identifier: str, *, bits_per_token: int = 10, n: int = 2, positional: bool = False) -> ClkFeature:
    """A feature of n characters each, hashed by blake."""
    return ClkFeature(
        identifier=identifier,
        comparison="ngram",
        n=n,
        positional=positional,
        hash="blake",
        bits_per_token=bits_per_token,
    )


def clks(
    columns: Mapping[str, Sequence[str]],
    agreement: Agreement,
    features: Sequence[ClkFeature],
    key: bytes,
    *,
    clk_bits: int = 1024,
    xor_folds: int = 0,
) -> Bytes:
    """CLKs of other parameters than the agreement's, shape (records, bytes)."""
    parameters = ClkParameters(clk_bits=clk_bits, xor_folds=xor_folds, features=tuple(features))
    encoding = Encoding(scheme="clk", invalid_values="missing", min_identifiers=1, clk=parameters)
    return ClkEncoder(agreement.model_copy(update={"encoding": encoding}), key).encode(columns)


def attribute_filters(
    columns: Mapping[str, Sequence[str]], agreement: Agreement, identifiers: Sequence[str], key: bytes
) -> Bytes:
    """A filter of pairs of characters for each of some identifiers, shape (records, identifiers, bytes)."""
    return np.stack([clks(columns, agreement, [ngrams(each)], key) for each in identifiers], axis=1)
