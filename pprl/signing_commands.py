"""`agreement sign` and `agreement verify`, which every party has, whichever of the two programs it runs."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from pprl.console import force_option, json_option, path_argument, path_option, show, talk, today
from pprl.errors import PprlError, ProtocolError, UsageError
from pprl.passphrase import PassphraseSource, passphrase_option

if TYPE_CHECKING:
    from pprl.protocol.agreement import AgreementFile
    from pprl.signing import Check


def signing_commands(program: str) -> tuple[click.Command, click.Command]:
    """The two commands, with examples for a program."""

    @click.command()
    @path_argument("agreement_path", metavar="AGREEMENT")
    @path_option("-k", "--key", "key_path", required=True, help="Your party's key file.")
    @passphrase_option
    @path_option("--previous", help="The version before, if AGREEMENT has one and it is not beside it yet.")
    @force_option
    def sign(
        agreement_path: Path, key_path: Path, passphrase: PassphraseSource, previous: Path | None, force: bool
    ) -> None:
        _sign(agreement_path, key_path, passphrase, previous, force=force)

    @click.command()
    @path_argument("agreement_path", metavar="AGREEMENT")
    @path_option("-k", "--key", "key_path", help="Your party's key file, to remember what you have seen.")
    @passphrase_option
    @click.option(
        "--heard-from", "heard", multiple=True, metavar="PARTY",
        help="You have compared the words with PARTY, by telephone or in person: record it.",
    )  # fmt: skip
    @json_option
    def verify(
        agreement_path: Path,
        key_path: Path | None,
        passphrase: PassphraseSource,
        heard: tuple[str, ...],
        as_json: bool,
    ) -> None:
        _verify(agreement_path, key_path, passphrase, heard, as_json=as_json)

    key = {"pprl": "keys/home-office.key", "coordinator": "keys/ons-matching.key"}[program]
    sign.help = (
        "Sign the bytes of AGREEMENT, and give out your key for this run.\n\n"
        "Writes PARTY.signature into the folder of signatures beside AGREEMENT (agreement.signatures). Give it to "
        "every other party, and put theirs into the same folder. A department runs 'pprl secret commit' first. Who was "
        "a party of the version before, and is not one of this, writes PARTY.succession.\n\n"
        f"Example: {program} agreement sign agreement.toml -k {key}"
    )
    verify.help = (
        "Check everybody's signatures of AGREEMENT, and that it follows the version before it.\n\n"
        "Compare the words that it prints with every other party, by telephone or in person: nothing is revealed or "
        "encoded before that is recorded. With a key file, the newest version is remembered and no older one used.\n\n"
        f"Example: {program} agreement verify agreement.toml -k {key} --heard-from moj-courts"
    )
    return sign, verify


def _sign(
    agreement_path: Path,
    key_path: Path,
    passphrase: PassphraseSource,
    previous: Path | None,
    *,
    force: bool,
) -> None:
    from pprl import signing  # noqa: PLC0415 - start-up must stay quick
    from pprl.files.holdings import read_agreement  # noqa: PLC0415
    from pprl.files.identity import read_identity  # noqa: PLC0415

    agreement, identity = read_agreement(agreement_path), read_identity(key_path, passphrase)
    before = None if previous is None else read_agreement(previous)
    written = signing.sign(
        agreement, agreement_path, identity, key_path, previous=before, today=today(), force=force
    )
    talk(f"Give {written} to every other party of the agreement.")
    talk(f"The agreement's words: {signing.words_of(agreement)}")


def _verify(
    agreement_path: Path,
    key_path: Path | None,
    passphrase: PassphraseSource,
    heard: tuple[str, ...],
    *,
    as_json: bool,
) -> None:
    from pprl import signing  # noqa: PLC0415 - start-up must stay quick
    from pprl.files.holdings import read_agreement  # noqa: PLC0415
    from pprl.files.identity import read_identity  # noqa: PLC0415

    if heard and key_path is None:
        raise UsageError(
            "Whom you have heard from is remembered beside your key file.", hint="Name it with -k."
        )
    agreement = read_agreement(agreement_path)
    identity = None if key_path is None else read_identity(key_path, passphrase)
    if heard and key_path is not None and identity is not None:
        signing.record_heard(agreement, identity, key_path, heard, today=today())
    checks = signing.verify(agreement, agreement_path, identity, key_path, today=today())
    data = _data(agreement, checks)
    show(data, as_json=as_json, text=lambda: _text(agreement, checks))
    _require_passed(checks)


def _require_passed(checks: list[Check]) -> None:
    refused = [check.refusal for check in checks if check.refusal is not None]
    if not refused:
        return
    # What is wrong goes before what is merely not there yet.
    worst: PprlError = next((each for each in refused if not isinstance(each, ProtocolError)), refused[0])
    raise worst


def _data(agreement: AgreementFile, checks: list[Check]) -> dict[str, Any]:
    from pprl import signing  # noqa: PLC0415

    return {
        "agreement_sha256": agreement.sha256,
        "words": signing.words_of(agreement),
        "checks": [
            {"what": check.what, "passed": check.refusal is None, "told": check.told} for check in checks
        ],
    }


def _text(agreement: AgreementFile, checks: list[Check]) -> str:
    from pprl import signing  # noqa: PLC0415

    project = agreement.content.project
    return "\n".join(
        [
            f"{project.id}, version {project.version}",
            f"SHA-256 {agreement.sha256}",
            f"words   {signing.words_of(agreement)}",
            "",
            *(f"{'ok' if check.refusal is None else 'NO':2}  {check.what}: {check.told}" for check in checks),
        ]
    )
