"""What the export of a coordinator party's log holds: bytes as they lie in a folder, none of them verified.

::

    RUN/agreement.toml   RUN/agreement.signatures/      the agreement, and what lies beside it
    RUN/previous/N.toml  RUN/previous/N.signatures/     the versions before it that the party registered
    RUN/entries.jsonl                                   the log, an entry a line
    RUN/checkpoint                                      the newest checkpoint that a quorum of witnesses has signed
    RUN/heads/HEAD_SHA256                               the signed head of each container that an entry names
    RUN/risk/DATASET.risk                               of the matcher, where the agreement limits attackers
    RUN/issued.receipt   RUN/summary.json               of the key issuer, once it has issued
    RUN/certificate                                     once the party has destroyed its run key

`pprl.files.exported` reads such a folder, and `pprl.verification` judges it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

AGREEMENT_NAME = "agreement.toml"
PREVIOUS_FOLDER = "previous"
ENTRIES_NAME = "entries.jsonl"
CHECKPOINT_NAME = "checkpoint"
HEADS_FOLDER = "heads"
RISK_FOLDER, RISK_ENDING = "risk", ".risk"
ISSUED_RECEIPT_NAME = "issued.receipt"
SUMMARY_NAME = "summary.json"
CERTIFICATE_NAME = "certificate"


@dataclass(frozen=True, slots=True)
class AgreedVersion:
    """A version of the agreement and what lies beside it.

    Attributes:
        agreement: its bytes.
        signatures: files of kind `agreement-signature`, by party.
        successions: files of kind `agreement-succession`, by party.
        previous: the bytes of the version before; None if they are not there.
    """

    agreement: bytes
    signatures: Mapping[str, bytes]
    successions: Mapping[str, bytes] = field(default_factory=dict)
    previous: bytes | None = None


@dataclass(frozen=True, slots=True)
class ExportedLog:
    """A coordinator party's export.

    Attributes:
        name: what the reader calls it: the folder.
        version: the agreement that it holds.
        earlier: the versions before, the oldest first.
        entries: the entries' bytes, in order.
        checkpoint: a signed note.
        heads: heads of containers, by the name of their files.
        issued_receipt: the receipt of what was issued, as it was released; None if there is none.
        summary: the public summary; None if there is none.
        certificate: of the run key's destruction; None if there is none.
        risks: risk statements, by dataset.
    """

    name: str
    version: AgreedVersion
    earlier: tuple[AgreedVersion, ...]
    entries: tuple[bytes, ...]
    checkpoint: bytes
    heads: Mapping[str, bytes]
    issued_receipt: bytes | None = None
    summary: bytes | None = None
    certificate: bytes | None = None
    risks: Mapping[str, bytes] = field(default_factory=dict)
