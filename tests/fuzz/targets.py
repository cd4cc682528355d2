"""Every reader of bytes from outside, in one registry: what it reads, what it may refuse with, and where to start.

A reader accepts, or raises an error of a class that its docstring declares; anything else is a fault. Where there is a
writer, it gives an accepted document's bytes again. Fuzzing (`tests.fuzz.run`) and the quick test beside this file run
the same `check`.

To register a reader, write a function that returns a `Reading` and give it `@target`, with the functions under test;
their docstrings' `Raises:` say which classes are allowed.
"""

from __future__ import annotations

import base64
import io
import json
import re
import tempfile
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import date
from functools import cache
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from pprl import department, errors, research
from pprl.crypto import (
    certificates,
    container,
    identity,
    key_file,
    notes,
    project_key,
    reseal,
    risk_statements,
    statements,
)
from pprl.encode import linkage_secret, row_commitments
from pprl.errors import PprlError
from pprl.files import recognise, seen, tables
from pprl.protocol import agreement as agreements
from pprl.protocol import (
    canonical,
    certificate,
    checkpoint,
    crosswalk,
    envelope,
    linkage_keys,
    log,
    pairs,
    patterns,
    receipt,
    risk_statement,
    row_proofs,
    secret_shares,
    signatures,
    submission,
)
from pprl.protocol.agreement import AgreementFile
from pprl.protocol.reseal import KIND as RESEAL_KIND
from pprl.protocol.reseal import ResealRequest
from tests.conformance.certificate import test_certificate_vectors as certificate_vectors
from tests.conformance.log import test_log_vectors as log_vectors
from tests.conformance.risk_statement import test_risk_statement_vectors as risk_vectors
from tests.conformance.rows import test_rows_vectors as row_vectors
from tests.conformance.secret_ceremony import test_secret_ceremony_vectors as ceremony_vectors
from tests.support.keys import key_file_of
from tests.support.submissions import write_submission
from tests.unit.crypto import forgery, signed_agreement

ROOT = Path(__file__).parents[2]
CONFORMANCE = ROOT / "tests" / "conformance"
CONFIGS = ROOT / "configs" / "agreements"

Read = Callable[[bytes], Any]
Write = Callable[[Any], bytes]


class BrokenPromiseError(Exception):
    """A reader accepted bytes that are not the one spelling of what it read."""


@dataclass(frozen=True, slots=True)
class Reading:
    """How a reader is called.

    Attributes:
        read: calls it, with everything but the bytes fixed.
        seeds: documents to start from, accepted and refused ones.
        write: gives an accepted document's bytes again; None where the format has several spellings.
    """

    read: Read
    seeds: tuple[bytes, ...]
    write: Write | None = None


@dataclass(frozen=True, slots=True)
class Target:
    """A reader to fuzz.

    Attributes:
        name: its name on the command line.
        readers: the functions under test.
        refusals: what they may raise.
        reading: how to call them; made when it is wanted.
    """

    name: str
    readers: tuple[Callable[..., Any], ...]
    refusals: tuple[type[PprlError], ...]
    reading: Callable[[], Reading]


TARGETS: dict[str, Target] = {}


def target(
    name: str, *readers: Callable[..., Any], also: Iterable[type[PprlError]] = ()
) -> Callable[[Callable[[], Reading]], Callable[[], Reading]]:
    """Register a reader.

    Args:
        name: its name on the command line.
        readers: the functions under test.
        also: what may be raised besides what their docstrings declare.
    """

    def register(make: Callable[[], Reading]) -> Callable[[], Reading]:
        declared = [error for reader in readers for error in declared_by(reader)]
        TARGETS[name] = Target(name, readers, (*declared, *also), cache(make))
        return make

    return register


def declared_by(reader: Callable[..., Any]) -> list[type[PprlError]]:
    """The errors that a function's docstring says it raises."""
    _, _, raises = (reader.__doc__ or "").partition("Raises:\n")
    named = re.findall(r"^ +(\w+Error): ", raises, flags=re.MULTILINE)
    return [getattr(errors, name) for name in named]


def check(of: Target, raw: bytes) -> bool:
    """Hold a reader to its promise on some bytes.

    Returns:
        Whether the reader accepted them.

    Raises:
        BrokenPromiseError: it accepted a second spelling.
        Exception: whatever it raised that it doesn't declare.
    """
    reading = of.reading()
    try:
        value = reading.read(raw)
    except of.refusals:
        return False
    if reading.write is not None and reading.write(value) != raw:
        raise BrokenPromiseError(f"{of.name}: written again, an accepted document has other bytes.")
    return True


@cache
def _vectors(folder: str) -> Mapping[str, Any]:
    found: Mapping[str, Any] = json.loads((CONFORMANCE / folder / "vectors.json").read_bytes())
    return found


@cache
def _agreement(name: str) -> AgreementFile:
    return agreements.parse(_vectors("submission")["agreements"][name].encode(), where="vectors.json")


def _documents(folder: str, kind: str) -> tuple[bytes, ...]:
    found = (each for each in _vectors(folder)["vectors"] if each["document"] == kind)
    return tuple(base64.b64decode(each["base64"]) for each in found)


# Documents that a person writes, and their like


@target("agreement", agreements.parse)
def _agreement_file() -> Reading:
    seeds = [path.read_bytes() for path in sorted(CONFIGS.glob("*.toml"))]
    seeds += [text.encode() for text in _vectors("submission")["agreements"].values()]
    return Reading(lambda raw: agreements.parse(raw, where="The agreement"), tuple(seeds))


# Canonical JSON and what is made of it


@target("canonical-json", canonical.loads)
def _canonical() -> Reading:
    values = (None, True, [], {}, -1, 2**53 - 1, '\\"~ ', [[[{"a": [1, "b"], "b": {"c": None}}]]])
    return Reading(canonical.loads, tuple(map(canonical.dumps, values)), canonical.dumps)


@target("key-file", key_file.parse_key_file)
def _key_file() -> Reading:
    return Reading(
        lambda raw: key_file.parse_key_file(raw, where="The file"),
        (key_file_of(forgery.NORTH), key_file_of(forgery.OFFICE)),
        lambda read: read.raw,
    )


@target("linkage-secret", linkage_secret.from_file)
def _secret_file() -> Reading:
    digest = "5" * 64
    secret = linkage_secret.LinkageSecret(digest, "7" * 64, bytes(range(32)))
    return Reading(
        lambda raw: linkage_secret.from_file(raw, where="The file", agreement_sha256=digest),
        (linkage_secret.to_file(secret),),
        linkage_secret.to_file,
    )


@target("memory", seen.parse)
def _memory() -> Reading:
    told = seen.Seen(
        agreements={"justice": (2, "5" * 64)},
        checkpoints={"example.org/log": (3, "7" * 64)},
        heard={"5" * 64: {"north": date(2027, 1, 31)}},
    )
    return Reading(seen.parse, (seen.write(seen.Seen()), seen.write(told)), seen.write)


@target("project-key", project_key.from_file)
def _project_key() -> Reading:
    issuer = forgery.identity("issuer")
    return Reading(
        lambda raw: project_key.from_file(raw, issuer, where="The file", project="justice"),
        (project_key.to_file(project_key.ProjectKey("justice", bytes(range(32))), issuer),),
    )


# Containers


@cache
def _containers() -> tuple[bytes, ...]:
    found = [*_vectors("envelope")["accepted"], *_vectors("envelope")["refused"]]
    ours = [
        forgery.sealed(forgery.binding(plaintext_bytes=size), content=bytes(size)) for size in (0, 40, 16_384)
    ]
    return (*ours, *(base64.b64decode(each["container"]) for each in found))


def _heads() -> Iterator[bytes]:
    return (raw[12 : 12 + int.from_bytes(raw[8:12], "big")] for raw in _containers())


def _payloads() -> Iterator[bytes]:
    for head in _heads():
        try:
            yield envelope.parse_envelope(head).payload
        except PprlError:
            continue


@target("container-prefix", envelope.parse_prefix)
def _prefix() -> Reading:
    return Reading(envelope.parse_prefix, tuple({raw[:12] for raw in _containers()}))


@target("container-header", envelope.parse_envelope)
def _header() -> Reading:
    return Reading(envelope.parse_envelope, tuple(_heads()), lambda found: envelope.write_header(found)[12:])


@target("container-statement", envelope.parse_statement)
def _statement() -> Reading:
    return Reading(envelope.parse_statement, tuple(_payloads()), envelope.write_statement)


@target("agreement-signature", statements.open_statement, signatures.AgreementSignature.from_predicate)
def _agreement_signature() -> Reading:
    given = signatures.AgreementSignature(
        "north", 1, forgery.OFFICE.public.x_wing, "5" * 64, date(2027, 1, 31)
    )
    kind, keys = signatures.SIGNATURE_KIND, forgery.NORTH.public

    def signed(predicate: dict[str, Any]) -> bytes:
        return statements.sign_statement(
            forgery.NORTH, kind=kind, subject="paths", sha256="7" * 64, predicate=predicate
        )

    def read(raw: bytes) -> object:
        told = statements.open_statement(raw, kind=kind, keys=keys, what="it")
        return signatures.AgreementSignature.from_predicate(told.predicate)

    return Reading(read, (signed(given.to_predicate()), signed({**given.to_predicate(), "commitment": None})))


@target("agreement-signature-predicate", signatures.AgreementSignature.from_predicate)
def _agreement_signature_predicate() -> Reading:
    given = signatures.AgreementSignature(
        "north", 1, forgery.OFFICE.public.x_wing, "5" * 64, date(2027, 1, 31)
    )
    return Reading(
        lambda raw: signatures.AgreementSignature.from_predicate(canonical.loads(raw)),
        (canonical.dumps(given.to_predicate()),),
        lambda read: canonical.dumps(read.to_predicate()),
    )


@target("certificate", certificates.open_certificate)
def _certificate() -> Reading:
    seeds = [
        each["file"].encode() for kind in ("accepted", "refused") for each in _vectors("certificate")[kind]
    ]
    return Reading(certificate_vectors.opened, tuple(seeds))


@target("certificate-predicate", certificate.Certificate.from_predicate)
def _certificate_predicate() -> Reading:
    return Reading(
        lambda raw: certificate.Certificate.from_predicate(canonical.loads(raw)),
        tuple(canonical.dumps(each["predicate"]) for each in _vectors("certificate")["accepted"]),
        lambda read: canonical.dumps(read.to_predicate()),
    )


@target("risk-statement", risk_statements.open_risk_statement, risk_statements.require_passing)
def _risk_statement() -> Reading:
    seeds = [
        each["file"].encode()
        for kind in ("accepted", "refused")
        for each in _vectors("risk_statement")[kind][:12]
    ]
    return Reading(risk_vectors.opened, tuple(seeds))


@target("risk-statement-predicate", risk_statement.RiskStatement.from_predicate)
def _risk_statement_predicate() -> Reading:
    return Reading(
        lambda raw: risk_statement.RiskStatement.from_predicate(canonical.loads(raw)),
        tuple(canonical.dumps(each["predicate"]) for each in _vectors("risk_statement")["accepted"]),
        lambda read: canonical.dumps(read.to_predicate()),
    )


@target("container", container.open_container, container.peek)
def _container() -> Reading:
    def read(raw: bytes) -> None:
        container.peek(io.BytesIO(raw))
        forgery.opened(raw)

    return Reading(read, _containers())


@target("container-signed-again", container.open_container)
def _container_signed_again() -> Reading:
    """The sender itself is the attacker here: whatever the statement says, both signatures over it are good."""
    return Reading(lambda raw: forgery.opened(_signed_by_north(raw)), _containers())


def _signed_by_north(raw: bytes) -> bytes:
    try:
        parts = forgery.Parts.of(raw)
        return parts.signed_by(forgery.NORTH, forgery.NORTH, payload=parts.envelope.payload)
    except PprlError:
        return raw


# Documents of docs/protocol.md


@target("submission", submission.containers)
def _submission_file() -> Reading:
    def read(raw: bytes) -> list[bytes]:
        return [raw[start : start + length] for start, length in submission.containers(io.BytesIO(raw))]

    seeds = (write_submission(*_containers()[:2]), *_documents("submission", "submission"))
    return Reading(read, seeds, lambda both: write_submission(*both))


@target("encodings-clk", submission.parse_encodings)
def _encodings_clk() -> Reading:
    return Reading(
        lambda raw: submission.parse_encodings(raw, _agreement("usual")),
        _documents("submission", "encodings"),
        submission.write_encodings,
    )


@target("encodings-match-keys", submission.parse_encodings)
def _encodings_match_keys() -> Reading:
    return Reading(
        lambda raw: submission.parse_encodings(raw, _agreement("match-keys")),
        _documents("match_keys", "keyed-encodings"),
        submission.write_encodings,
    )


@target("references-match-keys", submission.parse_references)
def _references_match_keys() -> Reading:
    return Reading(
        lambda raw: submission.parse_references(raw, _agreement("match-keys")),
        _documents("match_keys", "keyed-references"),
        submission.write_references,
    )


@target("pairs-match-keys", pairs.parse)
def _pairs_match_keys() -> Reading:
    return Reading(
        lambda raw: pairs.parse(raw, _agreement("match-keys")),
        _documents("match_keys", "keyed-pairs"),
        pairs.write,
    )


@target("encodings-field-filters", submission.parse_encodings)
def _encodings_field_filters() -> Reading:
    return Reading(
        lambda raw: submission.parse_encodings(raw, _agreement("field-filters")),
        _documents("blocked_encodings", "blocked-encodings"),
        submission.write_encodings,
    )


@target("references-clk", submission.parse_references)
def _references_clk() -> Reading:
    return Reading(
        lambda raw: submission.parse_references(raw, _agreement("usual")),
        _documents("submission", "references"),
        submission.write_references,
    )


@target("references-field-filters", submission.parse_references)
def _references_field_filters() -> Reading:
    return Reading(
        lambda raw: submission.parse_references(raw, _agreement("field-filters")),
        _documents("blocked_references", "blocked-references"),
        submission.write_references,
    )


def _kept_under(agreed: str) -> Reading:
    return Reading(
        lambda raw: submission.parse_references(raw, _agreement(agreed)),
        _documents("kept_references", "kept-references"),
        submission.write_references,
    )


@target("references-clk-kept", submission.parse_references)
def _references_clk_kept() -> Reading:
    return _kept_under("keeping")


@target("references-field-filters-kept", submission.parse_references)
def _references_field_filters_kept() -> Reading:
    return _kept_under("keeping-field-filters")


@target("pairs", pairs.parse)
def _pairs() -> Reading:
    return Reading(
        lambda raw: pairs.parse(raw, _agreement("usual")), _documents("pairs", "pairs"), pairs.write
    )


@target("patterns", patterns.parse)
def _patterns() -> Reading:
    return Reading(
        lambda raw: patterns.parse(raw, _agreement("field-filters")),
        _documents("patterns", "patterns"),
        patterns.write,
    )


@target("linkage-keys", linkage_keys.parse)
def _linkage_keys() -> Reading:
    return Reading(
        lambda raw: linkage_keys.parse(raw, _agreement("usual")),
        _documents("linkage_keys", "linkage-keys"),
        linkage_keys.write,
    )


@target("crosswalk", crosswalk.parse)
def _crosswalk() -> Reading:
    return Reading(
        lambda raw: crosswalk.parse(raw, _agreement("usual")),
        _documents("crosswalk", "crosswalk"),
        crosswalk.write,
    )


# The ceremony and the log


@target("secret-shares", secret_shares.parse)
def _secret_shares() -> Reading:
    transcript = ceremony_vectors.transcript_of(ceremony_vectors.CEREMONIES[1])
    return Reading(
        lambda raw: secret_shares.parse(raw, transcript, sender="police"),
        tuple(base64.b64decode(each["base64"]) for each in ceremony_vectors.DOCUMENTS),
        secret_shares.write,
    )


@target("reseal-request", reseal.verify_request)
def _reseal_request() -> Reading:
    agreed, today = signed_agreement.verified(signed_agreement.ALL), signed_agreement.TODAY
    told = ResealRequest("north", agreed.transcript.sha256, today).to_predicate()

    def signed(predicate: dict[str, Any]) -> bytes:
        subject = agreed.content.project.id
        return statements.sign_statement(
            signed_agreement.NORTH,
            kind=RESEAL_KIND,
            subject=subject,
            sha256=agreed.sha256,
            predicate=predicate,
        )

    return Reading(
        lambda raw: reseal.verify_request(raw, agreed, today=today),
        (signed(told), signed({**told, "party": "nobody"})),
    )


def _of_the_log(what: str, member: str) -> tuple[bytes, ...]:
    found = log_vectors.VECTORS[what]
    return tuple(each[member].encode() for each in (*found["accepted"], *found["refused"]))


@target("log-entry", log.parse)
def _log_entry() -> Reading:
    histories = log_vectors.VECTORS["histories"]["accepted"]
    seeds = [entry.encode() for each in histories for entry in each["entries"]]
    return Reading(log.parse, (*_of_the_log("entries", "entry"), *seeds), lambda entry: entry.to_bytes())


@target("note", checkpoint.parse_note)
def _note() -> Reading:
    seeds = (*_of_the_log("checkpoints", "note"), log_vectors.EXAMPLE, log_vectors.COSIGNED)
    return Reading(checkpoint.parse_note, seeds, checkpoint.write_note)


@target("cosignature", checkpoint.parse_signatures)
def _cosignature() -> Reading:
    seeds = tuple(note.partition(b"\n\n")[2] for note in _of_the_log("checkpoints", "note"))
    return Reading(checkpoint.parse_signatures, seeds, checkpoint.write_signatures)


@target("checkpoint", checkpoint.parse_checkpoint)
def _checkpoint() -> Reading:
    seeds = tuple(note.partition(b"\n\n")[0] + b"\n" for note in _of_the_log("checkpoints", "note"))
    return Reading(checkpoint.parse_checkpoint, seeds, lambda found: found.text)


@target("checkpoint-signed", checkpoint.parse_note, notes.open_checkpoint, notes.require_quorum)
def _checkpoint_signed() -> Reading:
    agreed = log_vectors.agreement()

    def read(raw: bytes) -> None:
        note = checkpoint.parse_note(raw)
        notes.open_checkpoint(note, agreed)
        notes.require_quorum(note, agreed.content)

    return Reading(read, _of_the_log("checkpoints", "note"))


@target("receipt", receipt.parse_receipt)
def _receipt() -> Reading:
    return Reading(receipt.parse_receipt, _of_the_log("receipts", "receipt"), receipt.write_receipt)


@target("receipt-verified", notes.open_receipt)
def _receipt_verified() -> Reading:
    agreed = log_vectors.agreement()
    return Reading(lambda raw: notes.open_receipt(raw, agreed), _of_the_log("receipts", "receipt"))


@target("witness-request", receipt.parse_request, notes.check_request)
def _witness_request() -> Reading:
    agreed = log_vectors.agreement()

    def read(raw: bytes) -> receipt.WitnessRequest:
        request = receipt.parse_request(raw)
        notes.check_request(request, agreed, last=None)
        return request

    return Reading(read, _of_the_log("requests", "request"), receipt.write_request)


# Rows opened for an auditor


def _row_proofs() -> tuple[bytes, ...]:
    found = row_vectors.VECTORS
    return tuple(each["proof"].encode() for each in (*found["accepted"], *found["refused"]))


@target("row-proof", row_proofs.parse)
def _row_proof() -> Reading:
    return Reading(row_proofs.parse, _row_proofs(), row_proofs.write)


@target("row-proof-verified", row_proofs.parse, row_proofs.verify)
def _row_proof_verified() -> Reading:
    root = row_vectors.VECTORS["roots"][7]
    return Reading(
        lambda raw: row_proofs.verify(row_proofs.parse(raw), row_vectors.AGREEMENT, root=root, records=7),
        _row_proofs(),
    )


@target("row-salts", row_commitments.from_file)
def _row_salts() -> Reading:
    salts = row_commitments.RowSalts("a" * 64, "events", "5" * 32, 7, "b" * 64, row_vectors.SALT_KEY)
    return Reading(
        lambda raw: row_commitments.from_file(raw, where="file"),
        (row_commitments.to_file(salts), b"{}"),
        row_commitments.to_file,
    )


# Files at home, and tables


@target("home-map", also=(errors.FormatError,))
def _home_map() -> Reading:
    lines = b"".join(b"%032x,record %d\n" % (place, place) for place in range(3))
    return Reading(department._read_home_map, (b"handle,record_id\n", b"handle,record_id\n" + lines))


@cache
def _file() -> Path:
    """One file a process, in memory where the system has a place for that."""
    memory = Path("/dev/shm")  # noqa: S108 - a private folder is made in it
    folder = tempfile.TemporaryDirectory(dir=memory if memory.is_dir() else None)
    _FOLDERS.append(folder)
    return Path(folder.name) / "file"


_FOLDERS: list[tempfile.TemporaryDirectory[str]] = []


def _from_file(read: Callable[[Path], Any]) -> Read:
    def written(raw: bytes) -> Any:
        _file().write_bytes(raw)
        return read(_file())

    return written


@target("keys-csv", department.read_keys, tables.open_table)
def _keys_csv() -> Reading:
    lines = b"".join(b"record %d,%032x\n" % (place, place) for place in range(3))
    return Reading(_from_file(department.read_keys), (b"record_id,linkage_key\n" + lines,))


@target("crosswalk-csv", research.read_crosswalk, tables.open_table)
def _crosswalk_csv() -> Reading:
    agreed = _agreement("usual").content
    names = ",".join(dataset.name for dataset in agreed.dataset)
    lines = "".join(f"{place:032x},{place + 10:032x},{place + 20:032x}\n" for place in range(3))
    return Reading(
        _from_file(lambda path: research.read_crosswalk(path, agreed)), (f"person,{names}\n{lines}".encode(),)
    )


def _read_whole(path: Path) -> int:
    table = tables.open_table(path)
    batches = table.batches(table.header, rows_per_batch=7)
    return sum(len(column) for batch in batches for column in batch.columns.values())


@target("table-text", tables.open_table, tables.Table.batches)
def _table_text() -> Reading:
    rows = 'forename,surname,born\nÁine,O\'Brien,1980-02-29\n,,\n\n"a ""b""","two\nlines",x\n'
    seeds = [rows.encode(encoding) for encoding in ("utf-8", "utf-8-sig", "utf-16", "latin-1")]
    seeds += [rows.replace(",", split).replace("\n", "\r\n").encode() for split in (";", "\t", "|")]
    return Reading(_from_file(_read_whole), tuple(seeds))


@cache
def _table() -> pa.Table:
    return pa.table(
        {
            "name": pa.array(["Áine", None, "x"]),
            "code": pa.array(["a", "b", "a"]).dictionary_encode(),
            "born": pa.array([date(1980, 2, 29), None, date(2000, 1, 1)]),
            "number": pa.array([1.0, None, 3.0]),
        }
    )


@target("table-arrow", tables.open_table, tables.Table.batches)
def _table_arrow() -> Reading:
    out = io.BytesIO()
    with pa.ipc.new_file(out, _table().schema) as writer:
        writer.write_table(_table(), max_chunksize=2)
    return Reading(_from_file(_read_whole), (out.getvalue(),))


@target("table-parquet", tables.open_table, tables.Table.batches)
def _table_parquet() -> Reading:
    seeds = []
    for compression, rows in (("NONE", 2), ("SNAPPY", 100)):
        out = io.BytesIO()
        pq.write_table(_table(), out, compression=compression, row_group_size=rows)
        seeds.append(out.getvalue())
    return Reading(_from_file(_read_whole), tuple(seeds))


@target("inspect", recognise.describe)
def _inspect() -> Reading:
    found: list[bytes] = []
    for name in (
        "agreement",
        "agreement-signature",
        "certificate",
        "risk-statement",
        "container",
        "submission",
        "key-file",
        "linkage-secret",
        "home-map",
        "keys-csv",
    ):
        found += TARGETS[name].reading().seeds[:2]
    card = identity.party_card(forgery.NORTH).encode()
    return Reading(_from_file(recognise.describe), (*found, card, b'{\n"linked_people": 1, "seconds": 2}\n'))
