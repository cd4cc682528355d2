"""`pprl prove-row` and `pprl check-row`: an auditor's challenge, on site at a department."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from pprl.cli.data import with_progress
from pprl.cli.options import agreement_option, key_option, load_agreement, load_identity
from pprl.console import force_option, json_option, path_argument, path_option, printable, show, table, talk

if TYPE_CHECKING:
    from pprl.passphrase import PassphraseSource
    from pprl.protocol.agreement import AgreementFile, Dataset
    from pprl.protocol.row_proofs import RowProof

_ROW = click.IntRange(min=2)


@click.command("prove-row")
@path_argument("data")
@agreement_option
@key_option
@path_option("--salts", "salts_path", required=True, help="The row salts that 'pprl encode' wrote.")
@click.option(
    "--row", "rows", type=_ROW, multiple=True, required=True,
    help="A row to open, as a spreadsheet counts: the header is row 1. Give it once for each row.",
)  # fmt: skip
@path_option("-o", "--out", required=True, help="The proof. It holds the rows' personal data, in plain.")
@click.option("--encoding", help="Text encoding of a CSV file that is not UTF-8, such as windows-1252.")
@click.option("--delimiter", help="Delimiter of a CSV file.  [default: read from the header]")
@force_option
def prove_row(
    data: Path,
    agreement_path: Path,
    key_path: Path,
    passphrase: PassphraseSource,
    salts_path: Path,
    rows: tuple[int, ...],
    out: Path,
    encoding: str | None,
    delimiter: str | None,
    force: bool,
) -> None:
    """Open rows of DATA to an auditor, and prove that they are what was encoded.

    Departments run this when an auditor draws rows. It reads the whole table again, and refuses if that is not the one
    that the submission was made of. The proof holds the rows that were asked for, as they are in the table: personal
    data, for the auditor's eyes alone. Its mode is 0600. Of all other rows it tells nothing.

    Example: pprl prove-row offences.csv -a agreement.toml -k keys/home-office.key
    --salts offences.submission.row-salts --row 17 --row 4021 -o offences.proof
    """
    from pprl import department
    from pprl.files.atomic import new_file, read_secret_file, require_apart

    agreement, identity = load_agreement(agreement_path), load_identity(key_path, passphrase)
    kept = read_secret_file(salts_path, what="file of row salts")
    salts = department.read_row_salts(kept, identity, agreement, where=salts_path.name)
    require_apart([out], [data, agreement_path, key_path, salts_path])
    agreed = agreement.content.dataset_named(salts.dataset)
    source = department.open_dataset(data, agreed, encoding=encoding, delimiter=delimiter)
    with new_file(out, mode=0o600, force=force) as file:
        file.write(
            with_progress(
                source, lambda seen: department.prove_rows(source, salts, agreement, rows, seen=seen)
            )
        )
    talk(f"For the auditor's eyes alone: {out}")


@click.command("check-row")
@path_argument("proof")
@agreement_option
@click.option(
    "--root", required=True, help="The root of the rows (rows_root) that the log has for the submission."
)
@click.option(
    "--records",
    type=click.IntRange(min=1),
    required=True,
    help="Records of the submission, as its envelope says.",
)
@click.option("--row", "rows", type=_ROW, multiple=True, help="A row that you asked for; all, or none.")
@json_option
def check_row(
    proof: Path, agreement_path: Path, root: str, records: int, rows: tuple[int, ...], as_json: bool
) -> None:
    """Check a department's PROOF of rows, and show them for comparison with its source.

    Auditors run this, without a key and without a network. Take the root from the log, and the number of records from
    the submission's envelope ('pprl inspect' shows it), never from the department's word. What is shown is personal
    data.

    A proof that passes shows that these rows were read when the submission was made, at these places of the table, and
    that nobody has changed them since. It doesn't show how they were encoded.

    Example: pprl check-row offences.proof -a agreement.toml --root 8c1f...e07a --records 41250 --row 17 --row 4021
    """
    from pprl.errors import UsageError
    from pprl.files.atomic import read_file
    from pprl.protocol import row_proofs

    root = root.lower()
    if len(root) != 64 or set(root) - set("0123456789abcdef"):
        raise UsageError("The root must be 64 hexadecimal digits.", hint="Copy it from the log.")
    agreement = load_agreement(agreement_path)
    found = row_proofs.parse(read_file(proof, what="row proof", limit=row_proofs.MOST_PROOF_BYTES))
    dataset = row_proofs.verify(found, agreement, root=root, records=records, rows=rows)
    report = _report(found, dataset, agreement)
    show(report, as_json=as_json, text=lambda: _text(report))


def _report(proof: RowProof, dataset: Dataset, agreement: AgreementFile) -> dict[str, Any]:
    from pprl.protocol.row_proofs import agreed_columns

    columns = agreed_columns(dataset, agreement.content)
    return {
        "dataset": proof.dataset,
        "submission": proof.submission,
        "records": proof.records,
        "rows_root": proof.root,
        "rows": [
            {
                "row": each.row,
                "record_id": each.record_id,
                "values": [
                    {"identifier": identifier, "column": column, "value": value}
                    for (identifier, column), value in zip(columns, each.values, strict=True)
                ],
            }
            for each in proof.rows
        ],
    }


def _text(report: dict[str, Any]) -> str:
    lines = [
        f"These rows of {report['dataset']} are among its {report['records']:,} records under the root "
        f"{report['rows_root']}."
    ]
    for row in report["rows"]:
        # A line feed in a value would pose as a line of ours; --json shows it as it is.
        cells = [tuple(printable(text, kept="") for text in each.values()) for each in row["values"]]
        name = f", record {printable(row['record_id'], kept='')}" if row["record_id"] else ""
        lines += ["", f"Row {row['row']}{name}", table(cells, header=("identifier", "column", "value"))]
    return "\n".join([*lines, "", "Compare them with the source."])
