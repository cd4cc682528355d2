"""How far the ceremony of the linkage secret is, as one department sees it, and what it should do next."""

from __future__ import annotations

from collections.abc import Set
from dataclasses import dataclass
from datetime import date
from pathlib import Path

from pprl import sharing
from pprl.crypto import signatures
from pprl.crypto.exchange import Signatory
from pprl.crypto.identity import Identity
from pprl.encode.ceremony import listed
from pprl.errors import PprlError
from pprl.files import holdings, seen
from pprl.files.holdings import Holdings
from pprl.files.party import signed_agreement
from pprl.protocol.agreement import AgreementFile
from pprl.protocol.signatures import others, signatories


@dataclass(frozen=True, slots=True)
class Standing:
    """How far the ceremony is with one department.

    Attributes:
        department: its id.
        signed: whether its signature, with its commitment, is here and right.
        heard_from: whether the agreement's words were compared with it; None for oneself.
        share_sealed: whether one's own share was sealed to it; None for oneself.
        share_here: whether its share is here.
    """

    department: str
    signed: bool
    heard_from: bool | None
    share_sealed: bool | None
    share_here: bool


@dataclass(frozen=True, slots=True)
class Status:
    """How far the ceremony is.

    Attributes:
        party: the department that looks.
        agreement_sha256: the agreement.
        committed: whether it has drawn its share.
        departments: all of them, in the agreement's order.
        not_signed: the parties, departments or not, whose signatures are missing or not right.
        not_heard_from: the parties with whom the agreement's words were not compared yet.
        secret: whether the linkage secret is made.
    """

    party: str
    agreement_sha256: str
    committed: bool
    departments: tuple[Standing, ...]
    not_signed: tuple[str, ...]
    not_heard_from: tuple[str, ...]
    secret: bool

    @property
    def waiting_for(self) -> tuple[str, ...]:
        """The departments whose shares are missing; one's own may be among them."""
        return tuple(each.department for each in self.departments if not each.share_here)

    @property
    def all_sealed(self) -> bool:
        """Whether one's own share was sealed to everybody."""
        return all(each.share_sealed is not False for each in self.departments)

    @property
    def next_step(self) -> str:
        """What to do next: the first of the steps that is not done."""
        unsigned = self.party in self.not_signed
        steps = (
            (
                not unsigned and not self.secret and self.party in self.waiting_for,
                "Your own share is not here any more. Restore your safe copy, or run 'pprl secret ask' to have it "
                "sent again by another department.",
            ),
            (unsigned and not self.committed, "Run 'pprl secret commit', then 'pprl agreement sign'."),
            (unsigned, "Run 'pprl agreement sign', and give your signature to every other party."),
            (
                bool(self.not_signed),
                f"Wait for the signature of {listed(self.not_signed)}, and put it beside the agreement.",
            ),
            (
                bool(self.not_heard_from),
                f"Compare the agreement's words with {listed(self.not_heard_from)}, by telephone or in person, and "
                "record it: 'pprl agreement verify --heard-from'.",
            ),
            (
                not self.all_sealed,
                "Run 'pprl secret share', and hand each file to its department or to the coordinator.",
            ),
            (
                bool(self.waiting_for) and not self.secret,
                f"Wait for the share of {listed(self.waiting_for)}, and run 'pprl secret accept' with it.",
            ),
            (not self.secret, "Every share is here: run 'pprl secret accept' once more."),
        )
        done = "Nothing: the linkage secret is made, and you can encode."
        return next((words for holds, words in steps if holds), done)


def status(
    agreement: AgreementFile, agreement_path: Path, identity: Identity, key_path: Path, *, today: date
) -> Status:
    """Say how far the ceremony is, as far as this department can see. Changes nothing.

    Args:
        agreement: the agreement.
        agreement_path: where it is; the signatures are beside it.
        identity: the department.
        key_path: where its key file is; its own part of the agreement is beside it.
        today: the day.

    Raises:
        ConfigError: the party is not a department.
        PprlError: what is kept here can't be used, or the signatures don't go together.
    """
    sharing.department_here(agreement, identity)
    kept = Holdings.beside(key_path, identity.party, agreement.sha256)
    expected = [party.id for party in signatories(agreement.content)]
    signed = _signed(agreement, agreement_path, today)
    heard = seen.read(seen.path_beside(key_path, identity.party)).heard.get(agreement.sha256, {})
    held = _held(agreement, agreement_path, identity, kept, today, open_too=signed >= set(expected))

    def standing(each: str) -> Standing:
        me = each == identity.party
        sealed = None if me else kept.sent_to(each).exists()
        return Standing(each, each in signed, None if me else each in heard, sealed, each in held)

    return Status(
        party=identity.party,
        agreement_sha256=agreement.sha256,
        committed=kept.commitment.exists(),
        departments=tuple(
            standing(party.id) for party in agreement.content.party if "department" in party.roles
        ),
        not_signed=tuple(party for party in expected if party not in signed),
        not_heard_from=tuple(each for each in others(agreement.content, identity.party) if each not in heard),
        secret=kept.linkage_secret.exists(),
    )


def _signed(agreement: AgreementFile, agreement_path: Path, today: date) -> Set[str]:
    found = holdings.read_signatures(holdings.signatures_beside(agreement_path)).signatures
    return {party for party, raw in found.items() if _is_right(agreement, party, raw, today)}


def _is_right(agreement: AgreementFile, party: str, raw: bytes, today: date) -> bool:
    try:
        signatures.verify_one(agreement, party, raw, today=today)
    except PprlError:
        return False
    return True


def _held(
    agreement: AgreementFile,
    agreement_path: Path,
    identity: Identity,
    kept: Holdings,
    today: date,
    *,
    open_too: bool,
) -> Set[str]:
    """Whose shares are here. What others have sent can be opened only once everybody has signed."""
    if not (open_too and kept.run_key.exists()):
        return set() if sharing.own_share(agreement, identity, kept) is None else {identity.party}
    signed = signed_agreement(agreement, agreement_path, today=today)
    run_key = holdings.run_key_of(kept, identity, agreement)
    return sharing.held_shares(Signatory.take_seat(identity, signed, run_key), kept).keys()
