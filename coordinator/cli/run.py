"""`coordinator receive`, `status`, `match`, `issue`, `link`, `release`: a run, step by step."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from coordinator.cli.options import agreement_option, engine_option, memory_option, store_option
from coordinator.linkage.budget import Budget
from pprl.console import force_option, json_option, path_argument, path_option, progress, show, table, talk
from pprl.errors import PprlError
from pprl.passphrase import PassphraseSource

if TYPE_CHECKING:
    from coordinator.linkage.matching import EngineName
    from coordinator.operations import Receipt


@click.command()
@path_argument("files", nargs=-1, required=True, metavar="FILE...")
@store_option
@json_option
def receive(files: tuple[Path, ...], store: Path, passphrase: PassphraseSource, as_json: bool) -> None:
    """Verify each FILE (departments' submissions, the matcher's pairs) and keep it, sealed as it is.

    Each role takes the part that is sealed to it. A sealed share of the linkage secret, which nobody here can open, is
    kept for its department: 'coordinator relay' hands it on. A request for shares that a department has lost is logged.
    A file that is refused changes nothing.

    Example: coordinator receive offences.submission court.submission --store matcher
    """
    from coordinator import operations
    from coordinator.sizes import opened_possible

    me = operations.open_store(store, passphrase)
    receipts: list[Receipt] = []
    for place, path in enumerate(files):
        try:
            with opened_possible(me, path) as file:
                receipts += operations.receive(me, file)
        except PprlError as error:
            raise _about(error, path, files[:place]) from None
    show(
        [asdict(receipt) for receipt in receipts],
        as_json=as_json,
        text=lambda: table(
            [(each.kind, each.dataset, each.sender, f"{each.records:,}") for each in receipts],
            header=("received", "dataset", "from", "records"),
            right=(3,),
        ),
    )
    talk("Senders can have receipts: 'coordinator log checkpoint' first, then 'coordinator log receipts'.")


@click.command()
@store_option
@agreement_option
@click.option("--to", "recipient", required=True, metavar="PARTY", help="The department that they are for.")
@path_option("-o", "--out", "folder", required=True, help="New folder for the sealed shares.")
@force_option
def relay(
    store: Path,
    passphrase: PassphraseSource,
    sha256: str | None,
    recipient: str,
    folder: Path,
    force: bool,
) -> None:
    """Hand on the sealed shares of the linkage secret that other departments have sent for PARTY.

    Example: coordinator relay --to home-office -o for-home-office --store matcher
    """
    from coordinator import operations
    from pprl.files.atomic import new_directory

    found = operations.hand_on(operations.open_store(store, passphrase), sha256, recipient)
    with new_directory(folder, force=force) as made:
        for name, sealed in found.items():
            (made / name).write_bytes(sealed)
    talk(f"Send all of {folder} to {recipient}.")


@click.command()
@store_option
@json_option
def status(store: Path, passphrase: PassphraseSource, as_json: bool) -> None:
    """Say how far each run is, what is missing, and what must be destroyed by when.

    Example: coordinator status --store matcher
    """
    from coordinator import operations

    runs = operations.status(operations.open_store(store, passphrase))
    show(
        runs,
        as_json=as_json,
        text=lambda: "\n\n".join(map(_status_text, runs)) or "No agreement is registered.",
    )


@click.command()
@store_option
@agreement_option
@path_option("-o", "--out", required=True, help="The pairs, sealed to the key issuer.")
@memory_option
@engine_option
@force_option
@json_option
def match(
    store: Path,
    passphrase: PassphraseSource,
    sha256: str | None,
    out: Path,
    memory: Budget | None,
    engine: EngineName,
    force: bool,
    as_json: bool,
) -> None:
    """Matcher: compare all encodings, and seal the pairs that are not hopeless to the key issuer.

    Interrupting and repeating it is safe; asked again when done, it gives the same file again.

    Example: coordinator match --store matcher -o pairs.sealed
    """
    from coordinator import operations
    from coordinator.custody import copy_kept, require_outside
    from coordinator.store.stages import Role
    from pprl.files.atomic import new_file

    me = operations.open_store(store, passphrase)
    require_outside(me, out)
    with new_file(out, force=force) as file, progress() as tell:
        agreement, digest = operations.matched_pairs(me, sha256, budget=memory, engine=engine, progress=tell)
        copy_kept(me, digest, file)
    report = operations.run_report(me, agreement.sha256, Role.MATCHER)
    show(report, as_json=as_json, text=lambda: _matched_text(report))
    talk(f"Hand {out} to the key issuer.")


@click.command()
@store_option
@agreement_option
@memory_option
@json_option
def issue(
    store: Path, passphrase: PassphraseSource, sha256: str | None, memory: Budget | None, as_json: bool
) -> None:
    """Key issuer: decide which records belong to one person, and issue a linkage key for every record.

    Nothing leaves before 'coordinator release'.

    Example: coordinator issue --store issuer
    """
    from coordinator import operations

    me = operations.open_store(store, passphrase)
    with progress() as tell:
        report = operations.issue(me, sha256, budget=memory, progress=tell)
    show(report, as_json=as_json, text=lambda: _report_text(report))


@click.command()
@store_option
@agreement_option
@memory_option
@engine_option
@json_option
def link(
    store: Path,
    passphrase: PassphraseSource,
    sha256: str | None,
    memory: Budget | None,
    engine: EngineName,
    as_json: bool,
) -> None:
    """Both roles in one office: match, hand over, issue.

    Example: coordinator link --store coordinator-store
    """
    from coordinator import operations

    me = operations.open_store(store, passphrase)
    with progress() as tell:
        report = operations.link(me, sha256, budget=memory, engine=engine, progress=tell)
    show(report, as_json=as_json, text=lambda: _report_text(report))


@click.command()
@store_option
@agreement_option
@path_option("-o", "--out", "folder", required=True, help="New folder for the sealed results.")
@force_option
def release(store: Path, passphrase: PassphraseSource, sha256: str | None, folder: Path, force: bool) -> None:
    """Key issuer: write each recipient's sealed result, if the agreement's release rules allow it.

    A quorum of witnesses must have signed that it was issued ('coordinator log checkpoint'): with each result comes a
    receipt that proves it, without which its recipient opens nothing. With them comes summary.json, which anybody may
    see: it tells no count below the agreement's small-number limit.

    Example: coordinator release --store issuer -o results
    """
    from coordinator import operations
    from coordinator.custody import require_outside
    from pprl.files.atomic import at_one_moment, new_directory

    me = operations.open_store(store, passphrase)
    require_outside(me, folder)
    with new_directory(folder, force=force) as made:
        for name, sealed in operations.release(me, sha256).items():
            (made / name).write_bytes(sealed)
        at_one_moment(made, me.now())
    talk(f"Send each file in {folder} to its recipient, with its receipt; 'pprl inspect' tells whose it is.")


def _about(error: PprlError, refused: Path, kept: tuple[Path, ...]) -> PprlError:
    """The error again, saying which of several files it is about: those before it were received."""
    error.message = f"{refused}: {error.message}"
    if kept:
        error.hint = f"{error.hint} Received before it: {', '.join(map(str, kept))}.".lstrip()
    return error


def _status_text(run: dict[str, Any]) -> str:
    def parts(of: list[dict[str, Any]]) -> str:
        return ", ".join(f"{each['kind']} {each['dataset']}".strip() for each in of) or "nothing"

    about = [
        f"{run['project']} version {run['version']}, as {run['role']}: {run['stage']}",
        f"  agreement {run['agreement_sha256']}",
    ]
    if run["destroyed_on"]:
        return "\n".join([*about, f"  all that was held was destroyed on {run['destroyed_on']}"])
    return "\n".join(
        [
            *about,
            f"  received: {parts(run['received'])}",
            f"  missing: {parts(run['missing'])}",
            *(
                f"  {artefact.replace('_', ' ')} must be gone by {day}"
                for artefact, day in run["gone_by"].items()
            ),
        ]
    )


def _matched_text(report: dict[str, Any]) -> str:
    return "\n".join(
        [
            f"pairs compared: {report['compared']:,}",
            f"pairs that are not hopeless: {report['pairs']:,}",
            f"time: {report['seconds']['match']:,.1f} s",
            f"most memory in use: {report['memory']['peak_bytes'] / 1e6:,.0f} MB",
        ]
    )


def _report_text(report: dict[str, Any]) -> str:

    def share(estimate: dict[str, float | None]) -> str:
        if estimate["value"] is None:
            return "can't be estimated"
        if estimate["low"] is None:
            return f"{estimate['value']:.2%} (an estimate, without an interval)"
        return f"{estimate['value']:.2%} (95 % interval {estimate['low']:.2%} to {estimate['high']:.2%})"

    # Above 1 stands for none: no score is as high.
    cut = report["threshold"]
    records = ", ".join(f"{name} {count:,}" for name, count in report["records"].items())
    return "\n".join(
        [
            f"records: {records}",
            f"linked pairs: {report['linked_pairs']:,}",
            f"people linked between datasets: {report['linked_people']:,}",
            f"threshold: {cut:.4f}" if cut <= 1 else "threshold: none reaches the target precision",
            f"estimated precision: {share(report['estimated_precision'])}",
            f"estimated recall: {share(report['estimated_recall'])}",
            *(
                f"linkage keys of {each['dataset']}: about {each['kept']:,} kept, {each['new']:,} new"
                for each in report.get("keys", ())
            ),
        ]
    )
