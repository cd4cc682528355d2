"""Signing an agreement, and finding that everybody has: run by each party before anything else.

Nothing is sealed under an agreement, and nothing opened, before `verify_all` has passed (`exchange.Signatory` can't be
made without it).
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date

from pprl.crypto.identity import Identity, same_keys
from pprl.crypto.statements import open_statement, sign_statement
from pprl.crypto.x_wing import wrap
from pprl.errors import ConfigError, ProtocolError, VerificationError
from pprl.protocol.agreement import AgreementFile, PartyKeys
from pprl.protocol.dsse import Statement
from pprl.protocol.signatures import (
    SIGNATURE_KIND,
    SUCCESSION_KIND,
    AgreementSignature,
    SignedAgreement,
    Succession,
    signatories,
    transcript_of,
)


def sign(
    agreement: AgreementFile, identity: Identity, *, run_key: str, commitment: str | None, today: date
) -> bytes:
    """A party's signature of an agreement.

    Args:
        agreement: what is signed: its bytes.
        identity: who signs; the agreement gives it these very keys.
        run_key: the public key that it made for this agreement.
        commitment: to its share of the linkage secret, if it is a department.
        today: the day.

    Raises:
        ConfigError: a department gives no commitment, or another party gives one.
    """
    party = agreement.content.party_named(identity.party)
    if ("department" in party.roles) != (commitment is not None):
        raise ConfigError("A department signs with a commitment to its share, and nobody else does.")
    signature = AgreementSignature(
        party.id, agreement.content.project.version, run_key, commitment, signed_on=today
    )
    return _signed(agreement, identity, SIGNATURE_KIND, signature)


def sign_succession(agreement: AgreementFile, identity: Identity, *, today: date) -> bytes:
    """The signature of a party of the version before, whose keys the new version no longer has."""
    succession = Succession(identity.party, agreement.content.project.version, today)
    return _signed(agreement, identity, SUCCESSION_KIND, succession)


def verify_all(
    agreement: AgreementFile,
    signatures: Mapping[str, bytes],
    *,
    previous: AgreementFile | None = None,
    successions: Mapping[str, bytes] | None = None,
    today: date,
) -> SignedAgreement:
    """Find that an agreement is signed by all who must. The checks, in this order:

    1. every party that has keys in the agreement has signed, and nobody else;
    2. each signature is by both of its party's keys, over this agreement's digest, project and version, in its own
       name, and not on a day to come;
    3. each run key is a valid key, and no two parties have one in common, nor is one an identity's;
    4. exactly the departments have commitments, and no two of them the same one;
    5. a version after the first comes with the one before it: its digest is the one that the agreement names, it is of
       the same project, and its number is one less; a first version comes with none;
    6. every party of that version whose keys the new one no longer has agrees to be succeeded, by its old keys, and
       nobody else does. (Those who have the same keys in both have signed by 2.)

    Args:
        agreement: the agreement, parsed.
        signatures: the files of kind `agreement-signature`, by party.
        previous: the version before, if there is one.
        successions: the files of kind `agreement-succession`, by party.
        today: the day.

    Raises:
        ProtocolError: signatures are missing.
        VerificationError: one is not right.
        FormatError: one is not a signature file.
    """  # noqa: D415 - the list belongs to the sentence
    _check_everybody(agreement, signatures)  # 1
    found = {party: _verified(agreement, party, raw, today) for party, raw in signatures.items()}  # 2
    _check_run_keys(agreement, found)  # 3
    _check_commitments(agreement, found)  # 4
    _check_previous(agreement, previous)  # 5
    _check_successions(agreement, previous, successions or {}, today)  # 6
    return SignedAgreement(agreement, found)


def verify_one(agreement: AgreementFile, party: str, raw: bytes, *, today: date) -> AgreementSignature:
    """One party's signature: check 2 of `verify_all`, to see which of several are right."""
    return _verified(agreement, party, raw, today)


def needs_succession(agreement: AgreementFile, previous: AgreementFile | None) -> list[str]:
    """The parties of the version before whose keys the new version no longer has."""
    if previous is None:
        return []
    now = {party.id: party.keys for party in signatories(agreement.content)}
    return [
        party.id
        for party in signatories(previous.content)
        if party.keys is not None and not _has_same_keys(now.get(party.id), party.keys)
    ]


def _signed(
    agreement: AgreementFile, identity: Identity, kind: str, content: AgreementSignature | Succession
) -> bytes:
    return sign_statement(
        identity,
        kind=kind,
        subject=agreement.content.project.id,
        sha256=agreement.sha256,
        predicate=content.to_predicate(),
    )


def _check_everybody(agreement: AgreementFile, signatures: Mapping[str, bytes]) -> None:
    expected = [party.id for party in signatories(agreement.content)]
    missing = [party for party in expected if party not in signatures]
    if missing:
        raise ProtocolError(
            f"The agreement is not signed yet by: {', '.join(missing)}.",
            hint="Ask them for their PARTY.signature ('agreement sign'), and put it to the others.",
        )
    strangers = [party for party in signatures if party not in expected]
    if strangers:
        raise VerificationError(f"There are signatures of parties without keys: {', '.join(strangers)}.")


def _verified(agreement: AgreementFile, party: str, raw: bytes, today: date) -> AgreementSignature:
    what = f"the signature of '{party}'"
    statement = _by_keys_of(agreement, party, raw, SIGNATURE_KIND, what)
    signature = AgreementSignature.from_predicate(statement.predicate)
    _check_subject(statement, agreement, what)
    _check_told(signature.party, signature.version, signature.signed_on, agreement, party, what, today)
    return signature


def _by_keys_of(agreement: AgreementFile, party: str, raw: bytes, kind: str, what: str) -> Statement:
    keys = agreement.content.party_named(party).keys
    if keys is None:
        raise VerificationError(f"'{party}' has no keys in the agreement.")
    return open_statement(raw, kind=kind, keys=keys, what=what)


def _check_subject(statement: Statement, agreement: AgreementFile, what: str) -> None:
    if (statement.subject, statement.sha256) != (agreement.content.project.id, agreement.sha256):
        raise VerificationError(
            f"{what[:1].upper()}{what[1:]} is of another agreement than this one.",
            hint="Compare the agreement's words with that party.",
        )


def _check_told(
    party: str, version: int, signed_on: date, agreement: AgreementFile, expected: str, what: str, today: date
) -> None:
    if (party, version) != (expected, agreement.content.project.version):
        raise VerificationError(f"{what[:1].upper()}{what[1:]} names another party or version.")
    if signed_on > today:
        raise VerificationError(
            f"{what[:1].upper()}{what[1:]} is of a day to come.", hint="Check the clocks."
        )


def _check_run_keys(agreement: AgreementFile, signatures: Mapping[str, AgreementSignature]) -> None:
    taken = {party.keys.x_wing for party in agreement.content.party if party.keys is not None}
    for party, signature in signatures.items():
        if signature.run_key in taken:
            raise VerificationError(f"The run key of '{party}' is another key's: each is made for one use.")
        taken.add(signature.run_key)
        # Only use shows every fault: a point of small order loads, and then agrees on nothing.
        wrap(bytes(32), signature.run_key, info=b"")


def _check_commitments(agreement: AgreementFile, signatures: Mapping[str, AgreementSignature]) -> None:
    for party, signature in signatures.items():
        is_department = "department" in agreement.content.party_named(party).roles
        if is_department != (signature.commitment is not None):
            raise VerificationError(
                f"The signature of '{party}' must have a commitment exactly if it is a department."
            )
    transcript_of(agreement, signatures)


def _check_previous(agreement: AgreementFile, previous: AgreementFile | None) -> None:
    project = agreement.content.project
    if project.version == 1 and previous is None:
        return
    if previous is None:
        raise ProtocolError(
            f"This is version {project.version}: the version before it is needed as well.",
            hint="Put it into the folder of signatures as previous.toml, or name it with --previous.",
        )
    before = previous.content.project
    if (previous.sha256, before.id, before.version) != (
        project.previous_sha256,
        project.id,
        project.version - 1,
    ):
        raise VerificationError(
            "The version before is not the one that this agreement follows.",
            hint="Its SHA-256 must be project.previous_sha256, and its number one less.",
        )


def _check_successions(
    agreement: AgreementFile, previous: AgreementFile | None, successions: Mapping[str, bytes], today: date
) -> None:
    needed = needs_succession(agreement, previous)
    # They are kept and shown to others: nothing may come with them that nobody looks at.
    strangers = [party for party in successions if party not in needed]
    if strangers:
        raise VerificationError(f"There are successions of parties that need none: {', '.join(strangers)}.")
    for party in needed:
        if previous is None or party not in successions:
            raise ProtocolError(
                f"'{party}' was a party of the version before, and has not agreed to this one with its keys of then.",
                hint="It runs 'agreement sign' with its old key, and gives you PARTY.succession.",
            )
        what = f"the succession of '{party}'"
        statement = _by_keys_of(previous, party, successions[party], SUCCESSION_KIND, what)
        succession = Succession.from_predicate(statement.predicate)
        _check_subject(statement, agreement, what)
        _check_told(succession.party, succession.version, succession.signed_on, agreement, party, what, today)


def _has_same_keys(left: PartyKeys | None, right: PartyKeys) -> bool:
    return left is not None and same_keys(left, right)
