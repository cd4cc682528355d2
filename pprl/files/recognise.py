"""Telling our own files apart by their content, for people who ask what a file is.

What is told of a sealed file is what its envelope claims, unverified; of a secret file, only what it is.
"""

from __future__ import annotations

import io
from collections.abc import Callable
from pathlib import Path
from typing import Any

from pprl.crypto import container
from pprl.crypto.identity import fingerprint
from pprl.crypto.key_file import parse_key_file
from pprl.crypto.statements import claimed
from pprl.errors import ConfigError, FormatError, KeyFileError
from pprl.files.atomic import read_file
from pprl.protocol import agreement as agreements
from pprl.protocol import canonical, submission
from pprl.protocol.certificate import CERTIFICATE_KIND
from pprl.protocol.dsse import parse_statement, predicate_type
from pprl.protocol.envelope import MAGIC as ENVELOPE_MAGIC
from pprl.protocol.reseal import KIND as RESEAL_KIND
from pprl.protocol.risk_statement import RISK_STATEMENT_KIND
from pprl.protocol.signatures import SIGNATURE_KIND, SUCCESSION_KIND

_HOME_MAP_START = b"handle,record_id\n"
_ROW_PROOF = "row proof: personal data, for the auditor alone"
_TOLD = ("party", "signed_on", "destroyed_on", "asked_on", "dataset", "records")
_STATEMENTS = {
    CERTIFICATE_KIND: "certificate of destruction",
    RISK_STATEMENT_KIND: "risk statement: what a department's own attacks came to",
    RESEAL_KIND: "request for shares of the linkage secret",
    SIGNATURE_KIND: "signature of an agreement",
    SUCCESSION_KIND: "signature of a party that is succeeded",
}


def describe(path: Path) -> dict[str, Any]:
    """What a file is, and what can be said of it without a key.

    Raises:
        FormatError: it is none of ours.
    """
    raw = read_file(path, what="file")
    return {"file": path.name, "bytes": len(raw), **_describer(raw)(raw)}


def _describer(raw: bytes) -> Callable[[bytes], dict[str, Any]]:
    by_start: dict[bytes, Callable[[bytes], dict[str, Any]]] = {
        submission.SUBMISSION_MAGIC: _submission,
        ENVELOPE_MAGIC: _sealed,
        _HOME_MAP_START: _home_map,
        b"record_id,linkage_key\n": lambda table: _open_table(table, "linkage keys: keep them at home"),
        b"person,": lambda table: _open_table(table, "crosswalk: for the research environment alone"),
        b"{\n": _report,
        b'{"payload":': _statement,
        b"{": _secret_file,
    }
    found = next((each for start, each in by_start.items() if raw.startswith(start)), None)
    if found is not None:
        return found
    if b"\n[party.keys]\n" in raw and b"\nagreement_format" not in raw:
        return lambda _card: {"what": "party card: public keys, to paste into an agreement"}
    return _agreement


def _open_table(raw: bytes, what: str) -> dict[str, Any]:
    return {"what": what, "rows": raw.count(b"\n") - 1}


def _submission(raw: bytes) -> dict[str, Any]:
    windows = submission.containers(io.BytesIO(raw))
    return {
        "what": "submission",
        "parts": [_claims(raw[offset : offset + length]) for offset, length in windows],
    }


def _sealed(raw: bytes) -> dict[str, Any]:
    claims = _claims(raw)
    at_rest = claims["sender"] == claims["recipient"]
    what = "own secret, sealed to its owner: keep it to yourself" if at_rest else "sealed document"
    return {"what": what, **claims}


def _claims(sealed: bytes) -> dict[str, Any]:
    binding = container.peek(io.BytesIO(sealed))
    return {
        "kind": binding.kind,
        "dataset": binding.dataset,
        "sender": binding.sender,
        "recipient": binding.recipient,
        "records": binding.records,
        "agreement_sha256": binding.agreement_sha256,
        "agreement_version": binding.agreement_version,
        "verified": False,
    }


def _home_map(raw: bytes) -> dict[str, Any]:
    return {"what": "home map: keep it at home", "records": raw.count(b"\n") - 1}


def _secret_file(raw: bytes) -> dict[str, Any]:
    try:
        key_file = parse_key_file(raw, where="file")
    except KeyFileError:
        return _row_proof(raw)
    return {
        "what": "key file: keep it to yourself",
        "party": key_file.party,
        "fingerprint": fingerprint(key_file.public),
    }


def _statement(raw: bytes) -> dict[str, Any]:
    """A signed statement that everybody may read, by the kind that it claims to be."""
    tree = canonical.loads(claimed(raw, what="the file").payload)
    kind = str(tree.get("predicateType")) if isinstance(tree, dict) else ""
    what = next((told for each, told in _STATEMENTS.items() if kind == predicate_type(each)), None)
    if what is None:
        raise FormatError("This is not a file of this protocol.")
    said = parse_statement(canonical.dumps(tree), kind=kind.split(":")[2], what="the file")
    told: dict[str, Any] = {name: said.predicate[name] for name in _TOLD if name in said.predicate}
    return {"what": what, **told, "agreement_sha256": said.sha256, "verified": False}


def _report(raw: bytes) -> dict[str, Any]:
    """What `coordinator release` and rehearsals say of a run, for people to read."""
    if b'"linked_people"' not in raw:
        raise FormatError("This is not a file of this protocol.")
    kind = "report of a rehearsal" if b'"seconds"' in raw else "summary of a run, which anybody may see"
    return {"what": kind}


def _row_proof(raw: bytes) -> dict[str, Any]:
    tree = canonical.loads(raw)
    if isinstance(tree, dict) and tree.get("format") == "pprl-row-proof":
        return {
            "what": _ROW_PROOF,
            **{name: tree.get(name) for name in ("dataset", "records", "agreement_sha256")},
        }
    raise FormatError("This is not a file of this protocol.")


def _agreement(raw: bytes) -> dict[str, Any]:
    try:
        parsed = agreements.parse(raw, where="file")
    except ConfigError:
        raise FormatError(
            "This is not a file of this protocol.",
            hint="For an agreement with mistakes, run 'pprl agreement check'.",
        ) from None
    project = parsed.content.project
    return {
        "what": "agreement",
        "project": project.id,
        "version": project.version,
        "valid_until": str(project.valid_until),
        "datasets": [dataset.name for dataset in parsed.content.dataset],
        "agreement_sha256": parsed.sha256,
    }
