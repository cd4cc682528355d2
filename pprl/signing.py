"""Signing an agreement and seeing that everybody has: what each party does before anything else.

The rules are `pprl.crypto.signatures`; here they meet the files beside the agreement and beside the party's key.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import date
from pathlib import Path

from pprl.crypto import signatures
from pprl.crypto.exchange import require_in_force, require_mine
from pprl.crypto.identity import Identity, same_keys
from pprl.crypto.words import words
from pprl.errors import ConfigError, KeyFileError, PprlError, ProtocolError, UsageError
from pprl.files import holdings, party, seen
from pprl.files.atomic import read_secret_file, write_new
from pprl.files.holdings import Holdings
from pprl.protocol import members
from pprl.protocol.agreement import AgreementFile
from pprl.protocol.signatures import others, signatories


@dataclass(frozen=True, slots=True)
class Check:
    """One thing that was checked.

    Attributes:
        what: what it was.
        told: what was found.
        refusal: why it is not right; None if it is.
    """

    what: str
    told: str
    refusal: PprlError | None = None


def words_of(agreement: AgreementFile) -> str:
    """The twelve words that stand for an agreement's SHA-256 on the telephone."""
    return words(bytes.fromhex(agreement.sha256))


def sign(
    agreement: AgreementFile,
    agreement_path: Path,
    identity: Identity,
    key_path: Path,
    *,
    previous: AgreementFile | None,
    today: date,
    force: bool,
) -> Path:
    """Sign an agreement: as one of its parties, or as one of the version before that it leaves out.

    A party makes its run key now, if it has none for this agreement, and signs its public half.

    Args:
        agreement: what is signed.
        agreement_path: where it is.
        identity: who signs.
        key_path: where its key file is.
        previous: the version before, to be put beside the agreement; None if it is there, or there is none.
        today: the day.
        force: whether an earlier signature may be replaced.

    Returns:
        Where the signature is.

    Raises:
        ConfigError: the agreement is not in force, or the identity is nobody's in it.
        KeyFileError: a department has no commitment yet.
        VerificationError: this party has worked under a newer version, or under another text of this one.
    """
    require_in_force(agreement, today=today)
    # Looked at, not written: drafts of a version may be signed one after the other until work begins.
    seen.read(seen.path_beside(key_path, identity.party)).with_agreement(agreement)
    folder = holdings.signatures_beside(agreement_path)
    before = previous or holdings.read_signatures(folder).previous
    leaving = _leaves(agreement, before, identity)
    if leaving:
        raw = signatures.sign_succession(agreement, identity, today=today)
        target = holdings.succession_path(folder, identity.party)
    else:
        raw = _signature(agreement, identity, key_path, today)
        target = holdings.signature_path(folder, identity.party)
    folder.mkdir(exist_ok=True)
    if previous is not None:
        write_new(folder / holdings.PREVIOUS_NAME, previous.raw, force=True)
    write_new(target, raw, force=force)
    return target


def record_heard(
    agreement: AgreementFile, identity: Identity, key_path: Path, heard: Sequence[str], *, today: date
) -> None:
    """Remember with whom an agreement's words were compared, by telephone or in person.

    Raises:
        UsageError: a name is not another signatory's.
    """
    known = others(agreement.content, identity.party)
    strangers = [name for name in heard if name not in known]
    if strangers:
        raise UsageError(
            f"Not another party with keys in this agreement: {', '.join(strangers)}.",
            hint=f"The others are: {', '.join(known)}.",
        )
    memory = seen.path_beside(key_path, identity.party)
    seen.change(memory, lambda before: before.with_heard(agreement, list(heard), today=today))


def verify(
    agreement: AgreementFile,
    agreement_path: Path,
    identity: Identity | None,
    key_path: Path | None,
    *,
    today: date,
) -> list[Check]:
    """Everything that is known of an agreement's signatures, one check a line, whether it is right or not.

    Args:
        agreement: the agreement.
        agreement_path: where it is; the signatures are beside it.
        identity: the party that looks, if it is one.
        key_path: where its key file is; its memory is beside it.
        today: the day.
    """
    checks = [_attempt("in force", "today", lambda: require_in_force(agreement, today=today))]
    found = holdings.read_signatures(holdings.signatures_beside(agreement_path)).signatures
    checks += [
        _signed_by(agreement, each.id, found.get(each.id), today) for each in signatories(agreement.content)
    ]
    whole = _attempt(
        "all together",
        "signed by everybody who must",
        lambda: party.signed_agreement(agreement, agreement_path, today=today),
    )
    checks.append(whole)
    if identity is not None and key_path is not None:
        checks += _own_checks(agreement, identity, key_path, remember=whole.refusal is None)
    return checks


def _own_checks(
    agreement: AgreementFile, identity: Identity, key_path: Path, *, remember: bool
) -> Iterator[Check]:
    memory = seen.path_beside(key_path, identity.party)

    def newest() -> None:
        if remember:
            seen.change(memory, lambda before: before.with_agreement(agreement))
        else:
            seen.read(memory).with_agreement(agreement)

    waiting = others(agreement.content, identity.party)
    yield _attempt("your keys", "as in the agreement", lambda: require_mine(agreement.content, identity))
    yield _attempt("version", "the newest that was seen here", newest)
    yield _attempt(
        "words", "compared with everybody", lambda: seen.read(memory).require_heard(agreement, waiting)
    )


def _signed_by(agreement: AgreementFile, party_id: str, raw: bytes | None, today: date) -> Check:
    if raw is None:
        return Check(f"signed by {party_id}", "not yet", _not_yet(party_id))
    return _attempt(
        f"signed by {party_id}",
        "Ed25519 and ML-DSA-65",
        lambda: signatures.verify_one(agreement, party_id, raw, today=today),
    )


def _attempt(what: str, told: str, check: Callable[[], object]) -> Check:
    try:
        check()
    except PprlError as error:
        return Check(what, error.message, error)
    return Check(what, told)


def _not_yet(party_id: str) -> PprlError:
    return ProtocolError(f"'{party_id}' has not signed yet.", hint="Ask it for its PARTY.signature.")


def _leaves(agreement: AgreementFile, before: AgreementFile | None, identity: Identity) -> bool:
    """Whether an identity is one of the version before only."""
    now = {each.id: each.keys for each in signatories(agreement.content)}
    keys = now.get(identity.party)
    if keys is not None and same_keys(keys, identity.public):
        return False
    if identity.party in signatures.needs_succession(agreement, before):
        return True
    raise ConfigError(
        f"The agreement gives '{identity.party}' no keys, or others than this key file has.",
        hint="Use the key file whose party card was pasted into the agreement.",
    )


def _signature(agreement: AgreementFile, identity: Identity, key_path: Path, today: date) -> bytes:
    kept = Holdings.beside(key_path, identity.party, agreement.sha256)
    is_department = "department" in agreement.content.party_named(identity.party).roles
    commitment = _commitment(kept) if is_department else None
    run_key = holdings.made_run_key(kept, identity, agreement).public
    return signatures.sign(agreement, identity, run_key=run_key, commitment=commitment, today=today)


def _commitment(kept: Holdings) -> str:
    if not kept.commitment.exists():
        raise KeyFileError(
            "A department signs with a commitment to its share of the linkage secret, and there is none yet.",
            hint="Run 'pprl secret commit' first.",
        )
    raw = read_secret_file(kept.commitment, what="commitment")
    text = raw.decode("ascii", errors="replace").removesuffix("\n")
    return members.text(text, members.SHA256, "The commitment")
