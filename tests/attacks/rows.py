"""Attacks on the commitment to rows: by a department that an auditor has asked for rows."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import cache
from typing import Any

from pprl import department
from pprl.encode import row_commitments
from pprl.errors import FormatError, VerificationError
from pprl.protocol import row_proofs
from pprl.protocol.row_proofs import ProvedRow, RowProof
from tests.attacks.ground import fresh, made
from tests.attacks.registry import Attack, cut, remove
from tests.support.people import tables, write_table
from tests.support.project import Project, nothing_seen

ASKED = (2, 40, 57)
RECORDS = 56


def opened_rows(project: Project, *rows: int) -> RowProof:
    """What a department shows of the table that lies there now."""
    identity, sealed = project.identity("police-dept"), project.row_salts("police").read_bytes()
    salts = department.read_row_salts(sealed, identity, project.agreement, where="police.row-salts")
    table = department.open_dataset(
        project.data("police"),
        project.agreement.content.dataset_named("police"),
        encoding=None,
        delimiter=None,
    )
    raw = department.prove_rows(table, salts, project.agreement, rows, seen=nothing_seen)
    return row_proofs.parse(raw)


@cache
def honest() -> RowProof:
    return opened_rows(made(), *ASKED)


def audited(proof: RowProof, *, root: str = "") -> Any:
    """What the auditor runs, with the root and the number of records that are in the log."""
    return row_proofs.verify(
        row_proofs.parse(row_proofs.write(proof)), made().agreement, root=root or honest().root, records=RECORDS,
        rows=ASKED,
    )  # fmt: skip


def with_row(**changes: Any) -> Callable[[], Any]:
    def attempt() -> Any:
        first, second, *others = honest().rows
        return audited(replace(honest(), rows=(first, replace(second, **changes), *others)))

    return attempt


def changed_value() -> Any:
    first, *others = honest().rows
    values = ("Nobody", *first.values[1:])
    return audited(replace(honest(), rows=(replace(first, values=values), *others)))


def changed_table() -> Any:
    """The table was mended after it was encoded, and is proved as if it had been so."""
    project = fresh()
    table = tables()["police"]
    table["Forename"][0] = "Nobody"
    write_table(project.data("police"), table)
    return opened_rows(project, *ASKED)


def other_rows() -> Any:
    return audited(opened_rows(made(), 3, 4, 5))


def fewer_records() -> Any:
    """Whoever says that there are fewer records keeps the last ones out of the draw."""
    return audited(replace(honest(), records=RECORDS + 1))


def other_root() -> Any:
    return audited(replace(honest(), root="0" * 64))


def fewer_columns() -> Any:
    first, *others = honest().rows
    return audited(replace(honest(), rows=(replace(first, values=first.values[:-1]), *others)))


def another_agreement() -> Any:
    return audited(replace(honest(), agreement_sha256="0" * 64))


def dataset_of_nobody() -> Any:
    return audited(replace(honest(), dataset="police2"))


def row_that_is_shown_twice() -> Any:
    first, second, *others = honest().rows
    return audited(replace(honest(), rows=(first, replace(second, index=first.index), *others)))


def any_dataset(proof: RowProof, agreement: Any) -> Any:
    return agreement.content.dataset_named("police")


def leading_anywhere(row: ProvedRow, proof: RowProof) -> None:
    return None


IN_TREE = remove(row_proofs, "_require_in_tree", leading_anywhere, number=6)
ABOUT = remove(row_proofs, "_dataset", any_dataset, number=1)
ROOT = cut(row_proofs, "verify", "its root is another", number=2)
COUNT = cut(row_proofs, "verify", "the submission says", number=3)
WANTED = cut(row_proofs, "verify", "exactly the rows that were asked for", number=4)
COLUMNS = cut(row_proofs, "verify", "other columns than were agreed", number=5)
SAME_TABLE = cut(row_commitments, "prove", "not the one that was encoded")

ATTACKS = (
    Attack("a changed value", "a value is changed in the row that an auditor asked for",
           changed_value, VerificationError, "was not read like this", [IN_TREE]),
    Attack("a changed record id", "a row is shown under another record's id",
           with_row(record_id="OFF-1"), VerificationError, "was not read like this", [IN_TREE]),
    Attack("another salt", "the salt of a row is changed, so that it fits another value",
           with_row(salt=bytes(16)), VerificationError, "was not read like this", [IN_TREE]),
    Attack("another path", "the hashes beside a row are left out",
           with_row(path=()), VerificationError, "was not read like this", [IN_TREE]),
    Attack("a table that was changed since", "a row is mended in the table after it was encoded",
           changed_table, VerificationError, "not the one that was encoded", [SAME_TABLE]),
    Attack("other rows than were asked for", "a department shows rows of its own choice",
           other_rows, VerificationError, "exactly the rows that were asked for", [WANTED]),
    Attack("another number of records", "a department tells another size of its table, to keep rows out of the draw",
           fewer_records, VerificationError, "the submission says 56", [COUNT], "was not read like this"),
    Attack("another root", "a department shows rows of a table that it made up, with that one's root",
           other_root, VerificationError, "its root is another", [ROOT], "was not read like this"),
    Attack("a column left out", "a department leaves an agreed column out of what it shows",
           fewer_columns, VerificationError, "other columns than were agreed", [COLUMNS, IN_TREE]),
    Attack("rows of another agreement", "rows of a submission under another agreement are shown",
           another_agreement, VerificationError, "of another agreement", [ABOUT]),
    Attack("a dataset of nobody", "rows of a dataset that the agreement does not have are shown",
           dataset_of_nobody, VerificationError, "not agreed", [ABOUT]),
    Attack("a row shown twice", "one row is shown as two",
           row_that_is_shown_twice, FormatError, "out of order, or repeated",
           [cut(row_proofs, "parse", "out of order, or repeated")], "was not read like this"),
)  # fmt: skip
