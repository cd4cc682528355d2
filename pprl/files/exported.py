"""Reading what an auditor verifies: the agreement in hand, and the folders that coordinators export."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from pprl.crypto.statements import MAX_STATEMENT_BYTES
from pprl.errors import FormatError
from pprl.files import holdings
from pprl.files.atomic import read_file
from pprl.protocol import exported
from pprl.protocol.agreement import MAX_AGREEMENT_BYTES
from pprl.protocol.checkpoint import MAX_NOTE_BYTES
from pprl.protocol.envelope import MAX_HEADER_BYTES, PREFIX_BYTES
from pprl.protocol.exported import AgreedVersion, ExportedLog
from pprl.protocol.kinds import NAME
from pprl.protocol.log import MAX_ENTRY_BYTES
from pprl.protocol.members import SHA256
from pprl.protocol.receipt import MAX_RECEIPT_BYTES

MOST_ENTRIES = 10_000
MOST_SUMMARY_BYTES = 100_000


def read_version(agreement_path: Path) -> AgreedVersion:
    """An agreement and the signatures in the folder beside it, as bytes.

    Raises:
        UsageError: a file can't be read, or is too large.
    """
    folder = holdings.signatures_beside(agreement_path)
    return AgreedVersion(
        _read(agreement_path, "agreement", MAX_AGREEMENT_BYTES),
        holdings.files_by_party(folder, holdings.SIGNATURE_ENDING),
        holdings.files_by_party(folder, holdings.SUCCESSION_ENDING),
        _read_if_there(folder / holdings.PREVIOUS_NAME, "agreement", MAX_AGREEMENT_BYTES),
    )


def read_export(folder: Path) -> ExportedLog:
    """The export of a coordinator party's log, as bytes. Files that no export has are left alone.

    Raises:
        FormatError: it is no folder that 'coordinator log export' writes.
        UsageError: a file can't be read, or is too large.
    """
    for name in (exported.AGREEMENT_NAME, exported.ENTRIES_NAME, exported.CHECKPOINT_NAME):
        if not (folder / name).is_file():
            raise FormatError(
                f"{folder} is no export of a log: it has no file '{name}'.",
                hint="Give the folders that 'coordinator log export' has written, whole.",
            )
    return ExportedLog(
        str(folder),
        read_version(folder / exported.AGREEMENT_NAME),
        tuple(_earlier(folder / exported.PREVIOUS_FOLDER)),
        _entries(folder / exported.ENTRIES_NAME),
        _read(folder / exported.CHECKPOINT_NAME, "checkpoint", MAX_NOTE_BYTES),
        dict(_heads(folder / exported.HEADS_FOLDER)),
        _read_if_there(folder / exported.ISSUED_RECEIPT_NAME, "receipt", MAX_RECEIPT_BYTES),
        _read_if_there(folder / exported.SUMMARY_NAME, "summary", MOST_SUMMARY_BYTES),
        _read_if_there(folder / exported.CERTIFICATE_NAME, "certificate", MAX_STATEMENT_BYTES),
        dict(_risks(folder / exported.RISK_FOLDER)),
    )


def _earlier(folder: Path) -> Iterator[AgreedVersion]:
    paths = {int(path.stem): path for path in folder.glob("*.toml") if path.stem.isdecimal()}
    for _, path in sorted(paths.items()):
        yield read_version(path)


def _entries(path: Path) -> tuple[bytes, ...]:
    raw = _read(path, "log", MOST_ENTRIES * (MAX_ENTRY_BYTES + 1))
    *entries, end = raw.split(b"\n")
    if end:
        raise FormatError(f"{path} is cut short: its last line has no end.", hint="Ask for the export again.")
    return tuple(entries)


def _heads(folder: Path) -> Iterator[tuple[str, bytes]]:
    for path in sorted(folder.glob("*")):
        if SHA256.fullmatch(path.name):
            yield path.name, _read(path, "head", PREFIX_BYTES + MAX_HEADER_BYTES)


def _risks(folder: Path) -> Iterator[tuple[str, bytes]]:
    for path in sorted(folder.glob(f"*{exported.RISK_ENDING}")):
        dataset = path.name.removesuffix(exported.RISK_ENDING)
        if NAME.fullmatch(dataset):
            yield dataset, _read(path, "risk statement", MAX_STATEMENT_BYTES)


def _read(path: Path, what: str, limit: int) -> bytes:
    # One byte more: what is too long is the format's to refuse, in words that say what it is.
    return read_file(path, what=what, limit=limit + 1)


def _read_if_there(path: Path, what: str, limit: int) -> bytes | None:
    return _read(path, what, limit) if path.exists() else None
