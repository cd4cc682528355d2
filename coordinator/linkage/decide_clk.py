"""Scheme `clk`: which pairs may link, from Dice coefficients alone. The key issuer runs this. Pure."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from coordinator.linkage.compare import Pairs
from coordinator.linkage.issuing import Decided, Estimate
from coordinator.linkage.solve import Compared
from coordinator.linkage.threshold import estimate_threshold
from pprl.errors import VerificationError
from pprl.protocol import framing, pairs
from pprl.protocol.agreement import AgreementFile
from pprl.protocol.framing import Bytes
from pprl.protocol.pairs import LEVELS_IN_ONE, PairsDocument
from pprl.protocol.submission import References


def decide(agreement: AgreementFile, references: Mapping[str, References], raw: bytes) -> Decided:
    """See `issuing.issue`; `raw` is the matcher's `pairs`."""
    document = pairs.parse(raw, agreement)
    compared = _with_positions(agreement, references, document)
    linkage = agreement.content.linkage
    found = estimate_threshold(
        compared,
        encoded=[matched.encoded for matched in document.header.datasets],
        may_have_duplicates=[dataset.may_have_duplicates for dataset in agreement.content.dataset],
        floor=document.header.tables[0].floor / LEVELS_IN_ONE,
        target_precision=linkage.target_precision,
        fixed=None if linkage.threshold == "estimated" else linkage.threshold,
    )
    return Decided(
        compared=tuple(compared),
        threshold=found.threshold,
        method=found.method,
        precision=Estimate(found.estimated_precision, None, None),
        recall=Estimate(found.estimated_recall, None, None),
    )


def _with_positions(
    agreement: AgreementFile, references: Mapping[str, References], document: PairsDocument
) -> list[Compared]:
    """The pairs again, with positions among a dataset's handles for references."""
    names = [dataset.name for dataset in agreement.content.dataset]
    for matched in document.header.datasets:
        header = references[matched.dataset].header
        if (matched.submission, matched.encoded) != (header.submission, header.passes[0].records):
            raise VerificationError(f"The pairs are about another submission of '{matched.dataset}'.")
    compared = []
    for table, rows in zip(document.header.tables, document.tables, strict=True):
        pairs = Pairs(
            _positions(rows.left, references[table.left]),
            _positions(rows.right, references[table.right]),
            rows.levels / LEVELS_IN_ONE,
        )
        compared.append(Compared(names.index(table.left), names.index(table.right), pairs))
    return compared


def _positions(ids: Bytes, references: References) -> NDArray[np.uint32]:
    found = framing.positions(ids, references.references[0])
    if (found < 0).any():
        raise VerificationError(
            f"The pairs name a reference that '{references.header.dataset}' doesn't have."
        )
    return references.positions[0][found].astype(np.uint32)
