"""`pprl risk`: a department attacks its own encodings before they leave."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import click

from pprl.cli.data import with_progress
from pprl.cli.options import agreement_option, load_agreement, load_identity, table_options
from pprl.console import force_option, json_option, path_argument, path_option, progress, show, table, talk
from pprl.passphrase import PassphraseSource, passphrase_option
from pprl.privacy import usual

if TYPE_CHECKING:
    from pprl.crypto.identity import Identity
    from pprl.department import Attackable, Attacks
    from pprl.errors import Finding
    from pprl.files.holdings import Holdings
    from pprl.files.tables import Table
    from pprl.privacy.battery import Risk
    from pprl.protocol.agreement import AgreementFile, Dataset

_SECONDS = {"": 1, "s": 1, "m": 60, "h": 3600}


class Duration(click.ParamType[float]):
    """A span of time: 90s, 10m, 2h."""

    name = "TIME"

    def convert(self, value: str | float, param: click.Parameter | None, ctx: click.Context | None) -> float:
        """Seconds."""
        if isinstance(value, float):
            return value
        found = re.fullmatch(r"([0-9]{1,6}(?:\.[0-9])?)([smh]?)", value, re.ASCII)
        if found is None or not float(found[1]):
            self.fail("this must be a time such as 90s, 10m or 2h", param, ctx)
        return float(found[1]) * _SECONDS[found[2]]


@click.command()
@path_argument("data")
@agreement_option
@click.option(
    "--budget", type=Duration(), default="10m", show_default=True, help="Time for all attacks together."
)
@click.option(
    "--people",
    type=click.IntRange(min=2),
    help=f"Most records to attack.  [default: the agreement's, or {usual.PEOPLE:,}]",
)
@click.option(
    "--known",
    type=click.IntRange(min=0, max=100_000),
    help=f"People whom an attacker recognises.  [default: the agreement's, or {usual.KNOWN_PEOPLE}]",
)
@click.option(
    "--seed",
    type=click.IntRange(min=0, max=2**53 - 1),
    help=f"Of all that is drawn: same seed, same figures.  [default: {usual.SEED}; always so with --sign]",
)
@click.option(
    "--required", is_flag=True, help="Make only those attacks that a signed statement must have: quicker."
)
@path_option("-o", "--out", "page_path", help="Write the report as a page of HTML, too.")
@click.option(
    "--sign", is_flag=True, help="State what came of it under your key: 'pprl encode' asks for that."
)
@path_option("-k", "--key", "key_path", help="Your party's key file, to sign with.")
@passphrase_option
@table_options
@force_option
@json_option
def risk(
    data: Path,
    agreement_path: Path,
    budget: float,
    people: int | None,
    known: int | None,
    seed: int | None,
    required: bool,
    page_path: Path | None,
    sign: bool,
    key_path: Path | None,
    passphrase: PassphraseSource,
    dataset: str | None,
    encoding: str | None,
    delimiter: str | None,
    force: bool,
    as_json: bool,
) -> None:
    """Attack your own encodings: whom in DATA could somebody name who gets hold of them?

    Encodes DATA as it would be sent, under a test secret, and attacks it in the place of the matcher, of the key
    issuer, and of the two together, by people who know all parameters, hold a list of people in plain text, and
    recognise some records. Tells how many of 10,000 people each of them names, and the most that it may be at 95 %
    confidence. A large file is sampled by whole postcode. Nothing leaves: the report holds counts alone.

    Needs no linkage secret, and works on a draft of an agreement. Where the agreement limits whom attackers may name
    ([privacy.risk]), 'pprl encode' asks for a signed statement that they don't name more: --sign makes it, with -k, and
    keeps it beside the key. If the limits are exceeded nothing is signed, and the exit status is 9.

    \b
    Example:
      pprl risk offences.csv -a agreement.toml --dataset offences
      pprl risk offences.csv -a agreement.toml --dataset offences --budget 1h -o risk.html
      pprl risk offences.csv -a agreement.toml -k keys/home-office.key --sign
    """  # noqa: D301 - \b is the character that keeps click from filling the example
    from pprl import department
    from pprl.errors import UsageError
    from pprl.files.atomic import require_apart, write_new

    agreement = load_agreement(agreement_path)
    if sign != (key_path is not None):
        raise UsageError("--sign and -k go together.", hint="Give both, or neither.")
    if sign:
        _require_as_agreed(people, known, seed)
    wanted = department.Attacks.asked_for(
        agreement.content, people=people, known_people=known, seed=seed, required_only=required
    )
    signer = None if key_path is None else _Signer.of(agreement, key_path, passphrase)
    agreed = _dataset(agreement, dataset, signer)
    require_apart([page_path] if page_path else [], [data, agreement_path, *([key_path] if key_path else [])])
    _require_free(
        [*([page_path] if page_path else []), *(signer.files(agreed) if signer else [])], force=force
    )
    source = department.open_dataset(data, agreed, encoding=encoding, delimiter=delimiter)
    read, found = _attacked(source, agreed, agreement, wanted, budget=budget)
    findings = department.judge_risk(found, read, agreed, agreement)
    if page_path is not None:
        write_new(page_path, _page(found, agreed, agreement, findings), force=force)
        talk(f"Report: {page_path}")
    show(_data(found, agreed, findings), as_json=as_json, text=lambda: _text(found, findings))
    if signer is not None:
        signer.keep(department.state_risk(found, read, agreed, agreement, signer.identity), read, agreed)
        talk(f"Stays home, and goes along with what 'pprl encode' sends: {signer.files(agreed)[0]}")


def _attacked(
    source: Table, dataset: Dataset, agreement: AgreementFile, wanted: Attacks, *, budget: float
) -> tuple[Attackable, Risk]:
    """The records that are attacked, and what came of it; with bars where somebody watches."""
    import time

    from pprl import department

    read = with_progress(
        source, lambda seen: department.records_to_attack(source, dataset, agreement, seen=seen)
    )
    with progress() as tell:
        found = department.attack(
            read,
            agreement.content,
            wanted,
            budget=budget,
            clock=time.monotonic,
            progress=lambda _attack, share: tell("attacks", share),
        )
    return read, found


@dataclass(frozen=True, slots=True)
class _Signer:
    """A department that signs what came of it.

    Attributes:
        identity: its keys.
        agreement: what it signs under.
        holdings: its own part of the agreement, where the statement is kept.
    """

    identity: Identity
    agreement: AgreementFile
    holdings: Holdings

    @classmethod
    def of(cls, agreement: AgreementFile, key_path: Path, passphrase: PassphraseSource) -> _Signer:
        """The department of a key file, if it may state anything under the agreement."""
        from pprl import department
        from pprl.files.holdings import Holdings

        identity = load_identity(key_path, passphrase)
        department.require_limits(agreement, identity)
        return cls(identity, agreement, Holdings.beside(key_path, identity.party, agreement.sha256))

    def files(self, dataset: Dataset) -> list[Path]:
        """Where the statement is kept, and the salt key that goes with it."""
        return [self.holdings.risk_statement(dataset.name), self.holdings.risk_salt(dataset.name)]

    def keep(self, statement: bytes, read: Attackable, dataset: Dataset) -> None:
        """Keep a statement."""
        from pprl.files.holdings import RiskFiles, keep_risk

        keep_risk(
            self.holdings, self.identity, self.agreement, dataset.name, RiskFiles(statement, read.salt_key)
        )


def _dataset(agreement: AgreementFile, name: str | None, signer: _Signer | None) -> Dataset:
    """The dataset that is meant; who signs may leave out the name of its only one."""
    from pprl import department
    from pprl.errors import UsageError

    if signer is not None:
        return department.dataset_for(agreement.content, signer.identity.party, name)
    if name is None:
        names = ", ".join(each.name for each in agreement.content.dataset)
        raise UsageError("Which dataset is it?", hint=f"Say --dataset with one of: {names}.")
    return agreement.content.dataset_named(name)


def _require_as_agreed(people: int | None, known: int | None, seed: int | None) -> None:
    """What is signed is what the agreement asks for."""
    from pprl.errors import UsageError

    if seed is not None:
        raise UsageError("--sign takes no --seed.", hint="Nobody is to try seeds until one passes.")
    if people is not None or known is not None:
        raise UsageError(
            "What is signed is of as many people as the agreement says: --people and --known are not for it.",
            hint="Leave them out, or leave --sign out.",
        )


def _require_free(paths: Sequence[Path], *, force: bool) -> None:
    """Before minutes of work, refuse what would be refused after them."""
    from pprl.errors import UsageError

    for path in paths:
        if path.exists() and not force:
            raise UsageError(f"{path} exists already.", hint="Say --force to replace it.")


def _page(
    found: Risk, dataset: Dataset, agreement: AgreementFile, findings: tuple[Finding, ...] | None
) -> bytes:
    from pprl.privacy.page import About, page

    project = agreement.content.project
    about = About(
        dataset.name,
        project.id,
        project.version,
        agreement.content.encoding.scheme,
        agreement.sha256,
        findings,
    )
    return page(found, about).encode()


def _data(found: Risk, dataset: Dataset, findings: tuple[Finding, ...] | None) -> dict[str, object]:
    from pprl.privacy import words

    return {"dataset": dataset.name, **words.data(found), "limits": words.verdict_data(findings)}


def _text(found: Risk, findings: tuple[Finding, ...] | None) -> str:
    from pprl.privacy import words

    lines = [words.sentence(found), ""]
    lines += [words.holder_words(found, holder, told) for holder, told in words.by_holder(found)]
    lines += ["", words.verdict(findings), *(f"  - {each}" for each in findings or ())]
    lines += ["", table(words.rows(found), header=words.HEADER, right=(2, 3, 5, 6)), ""]
    return "\n".join([*lines, *words.notes(found), words.CAUTION])
