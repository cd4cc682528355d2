"""Checks of one log: who vouches for it, what its entries say, and who sent the containers that they name.

Each check is of a log that was read, and gives in words what it has seen: digests and counts that are in the logs
already. What doesn't hold it raises as a `VerificationError` (a `FormatError` where bytes are not as specified), with
what to do where something can be done; where the run has not got what it is about, it gives `NothingToCheck`.
`checks.py` has numbers, order, and what each check needs before it.
"""

from __future__ import annotations

import hashlib
import itertools
from collections.abc import Sequence
from datetime import date, timedelta
from typing import Any

from pprl.crypto import notes
from pprl.crypto.certificates import open_certificate
from pprl.crypto.named import require_head, verify_named
from pprl.errors import ProtocolError, VerificationError
from pprl.protocol import checkpoint as checkpoints
from pprl.protocol import crosswalk, linkage_keys, log, merkle, pairs, submission
from pprl.protocol.agreement import Agreement, Party, out_of_time, parse
from pprl.protocol.exported import AgreedVersion
from pprl.protocol.log import Entry, History
from pprl.protocol.signatures import SignedAgreement
from pprl.protocol.transcript import SHARE_KIND
from pprl.verification.agreed import verified
from pprl.verification.case import COORDINATOR_ROLES, Case, Examined, Named
from pprl.verification.outcome import NothingToCheck

# What a role's step reads or makes, which must be gone after the agreed days.
_ARTEFACTS: dict[tuple[str, str], tuple[str, ...]] = {
    ("matched", "matcher"): ("encodings", "pairs"),
    ("issued", "key-issuer"): ("references", "pairs", "linkage_keys"),
    ("released", "key-issuer"): ("linkage_keys",),
}


def check_same_agreement(case: Case, log_: Examined) -> str:
    """Compare the export's agreement, byte by byte, with the one in hand."""
    here, ours = log_.exported.version, case.in_hand
    if here.agreement != ours.agreement:
        raise VerificationError("The export is of another agreement than the one in hand.")
    if dict(here.signatures) != dict(ours.signatures) or dict(here.successions) != dict(ours.successions):
        raise VerificationError("The export has other signatures of the agreement than those in hand.")
    if here.previous != ours.previous:
        raise VerificationError("The export has another version before than the one in hand.")
    return f"the agreement and {len(here.signatures)} signatures"


def check_earlier_versions(case: Case, log_: Examined) -> str | NothingToCheck:
    """Follow the versions from the agreement in hand back to the oldest that the export has."""
    chain = [*log_.exported.earlier, case.in_hand]
    if len(chain) == 1:
        return NothingToCheck("it has no earlier versions")
    for earlier, later in itertools.pairwise(chain):
        _require_followed(earlier, later, case.today)
    return f"{len(chain) - 1} earlier versions, each followed by the next"


def check_checkpoint(case: Case, log_: Examined) -> str:
    """Verify who signed the checkpoint."""
    note = checkpoints.parse_note(log_.exported.checkpoint)
    log_.signed = notes.open_checkpoint(note, case.file)
    log_.note = note
    return f"the log of '{log_.party}' with {log_.checkpoint.size} entries"


def check_quorum(case: Case, log_: Examined) -> str:
    """Count the witnesses."""
    note = log_.note or checkpoints.parse_note(log_.exported.checkpoint)
    signed = notes.require_quorum(note, case.content)
    return f"signed by {', '.join(signed)}; {case.content.log.quorum} must have"


def check_root(_: Case, log_: Examined) -> str:
    """Hash the entries."""
    entries, signed = log_.exported.entries, log_.checkpoint
    if len(entries) != signed.size:
        raise VerificationError(
            f"The export has {len(entries)} entries, and its checkpoint is of {signed.size}.",
            hint="Nobody vouches for what is not in a checkpoint: ask for one of the whole log.",
        )
    if merkle.root([merkle.leaf_hash(entry) for entry in entries]) != signed.root:
        raise VerificationError("The entries are not the ones that were signed: their root is another.")
    return f"{len(entries)} entries, root {signed.root.hex()}"


def check_entries(_: Case, log_: Examined) -> str:
    """Read the entries."""
    log_.entries = [log.parse(raw) for raw in log_.exported.entries]
    return f"{len(log_.entries)} entries"


def check_order(case: Case, log_: Examined) -> str:
    """Take the entries one after the other, as the protocol would."""
    history = History(case.file.sha256)
    for entry in log_.entries:
        history.take(entry)
    stages = [f"{role} {stage}" for role, stage in history.stages.items()]
    return f"the runs end at: {', '.join(stages) or 'collecting'}"


def check_roles(case: Case, log_: Examined) -> str:
    """See that nobody acted in another's role."""
    roles = _roles(case.content.party_named(log_.party))
    for place, entry in enumerate(log_.entries):
        if entry.role and entry.role not in roles:
            raise VerificationError(
                f"Entry {place} is of the {entry.role}, which '{log_.party}' is not in the agreement."
            )
    return f"'{log_.party}' is {' and '.join(roles)}"


def check_days(case: Case, log_: Examined) -> str:
    """Hold every entry's day against the agreement's. Destruction may come later."""
    for place, entry in enumerate(log_.entries):
        day = _day(entry)
        if day > case.today:
            raise VerificationError(f"Entry {place} is of a day to come.", hint="Check the clocks.")
        late = [] if entry.kind == "destroyed" else list(out_of_time(case.content, today=day))
        if late:
            raise VerificationError(f"Entry {place} is of {day}, when the agreement was {late[0].rule}.")
    days = [_day(entry).isoformat() for entry in log_.entries] or [""]
    return f"from {days[0]} to {days[-1]}"


def check_retention(case: Case, log_: Examined) -> str:
    """Hold every step against the days after which what it reads must be gone."""
    begin = _day(log_.entries[0]) if log_.entries else case.today
    for place, entry in enumerate(log_.entries):
        for artefact in _artefacts(entry):
            last = begin + timedelta(days=getattr(case.content.retention, f"{artefact}_days"))
            if _day(entry) > last:
                raise VerificationError(
                    f"Entry {place}, '{entry.kind}', is of {_day(entry)}: {artefact} had to be gone after {last}."
                )
    return "nothing was taken in or done with what had to be gone"


def check_registered(case: Case, log_: Examined) -> str:
    """Compare what was registered with what is in hand."""
    _, entry = log_.only("registered")
    ours = {party: hashlib.sha256(raw).hexdigest() for party, raw in case.in_hand.signatures.items()}
    if entry.detail["version"] != case.content.project.version:
        raise VerificationError("Another version of the agreement was registered.")
    if entry.detail["signatures"] != ours:
        raise VerificationError("Other signatures of the agreement were registered than those in hand.")
    return f"version {entry.detail['version']} with {len(ours)} signatures"


def check_heads(_: Case, log_: Examined) -> str:
    """Compare the heads with the names that entries give them."""
    heads = log_.exported.heads
    details = [detail for entry in log_.entries for detail in entry.containers]
    for detail in details:
        require_head(detail, heads.get(detail["head_sha256"], b""))
    strangers = set(heads) - {detail["head_sha256"] for detail in details}
    if strangers:
        raise VerificationError(f"The export has {len(strangers)} heads of containers that no entry names.")
    return f"{len(heads)} heads"


def check_senders(case: Case, log_: Examined) -> str:
    """Verify the heads."""
    transcript = _signed(case).transcript.sha256
    details = [detail for entry in log_.entries for detail in entry.containers]
    log_.bindings = {
        detail["head_sha256"]: verify_named(
            detail, log_.exported.heads[detail["head_sha256"]], case.file, transcript=transcript
        )
        for detail in details
    }
    return f"{len(details)} containers, by {', '.join(sorted({detail['sender'] for detail in details})) or 'nobody'}"


def check_routes(case: Case, log_: Examined) -> str:
    """See who sends what to whom, and that each entry names containers of its own kinds."""
    for each in log_.named():
        if not _is_agreed(each, case.content):
            raise VerificationError(
                f"'{each.binding.kind}' {_about(each)}from '{each.binding.sender}' to '{each.binding.recipient}' has "
                f"no place in an entry '{each.entry.kind}'."
            )
    return "every kind went from and to whom the agreement names"


def check_destroyed(case: Case, log_: Examined) -> str | NothingToCheck:
    """Verify the certificate, if there is one.

    1. The log and the export both have it, or neither.
    2. It is the one that the log names.
    3. It is the party's, about this agreement and the run key that the party gave out with its signature.
    4. It covers every container that the log names, those included that only passed through.
    """
    found, raw = log_.of_kind("destroyed"), log_.exported.certificate
    if not found and raw is None:
        return NothingToCheck("nothing was destroyed by certificate")
    if not found or raw is None:
        raise VerificationError(
            "The log and the certificate of destruction don't belong together: one is missing."
        )
    (_, entry), *_ = found
    if hashlib.sha256(raw).hexdigest() != entry.detail["certificate_sha256"]:
        raise VerificationError("The certificate of destruction is not the one that the log names.")  # 2
    opened = open_certificate(raw, agreement=_signed(case), party=log_.party, today=case.today)  # 3
    named = {detail["sha256"] for each in log_.entries for detail in each.containers}
    if not named <= set(opened.containers):
        raise VerificationError(
            "The certificate of destruction leaves out containers that the log names."
        )  # 4
    return f"the run key and {len(opened.containers)} containers, on {opened.destroyed_on}"


def _require_followed(earlier: AgreedVersion, later: AgreedVersion, today: date) -> None:
    before, after = (parse(each.agreement, where="A version of the agreement") for each in (earlier, later))
    verified(earlier, before, today)
    if after.content.project.previous_sha256 != before.sha256:
        raise VerificationError(
            f"Version {after.content.project.version} does not follow the version {before.content.project.version} "
            "that the export has."
        )


def _roles(party: Party) -> list[str]:
    return [role for role in COORDINATOR_ROLES if role in party.roles]


def _day(entry: Entry) -> date:
    return date.fromisoformat(entry.at[:10])


def _artefacts(entry: Entry) -> Sequence[str]:
    kind = entry.detail["container"]["kind"] if entry.kind == "received" else ""
    if kind in (submission.ENCODINGS_KIND, submission.REFERENCES_KIND, pairs.KIND):
        return (kind,)
    return _ARTEFACTS.get((entry.kind, entry.role), ())


def _is_agreed(each: Named, agreement: Agreement) -> bool:
    """Whether a container's way is one that the agreement gives its kind, in an entry of the right kind and role."""
    binding, entry = each.binding, each.entry
    department = agreement.dataset_named(binding.dataset).party if binding.dataset else None
    matcher, issuer = (agreement.party_with(role).id for role in COORDINATOR_ROLES)
    ways: dict[str, tuple[Any, ...]] = {
        submission.ENCODINGS_KIND: ("received", "matcher", department, matcher),
        submission.REFERENCES_KIND: ("received", "key-issuer", department, issuer),
        pairs.KIND: (*_pairs_entry(entry), matcher, issuer),
        linkage_keys.KIND: ("issued", "key-issuer", issuer, department),
        crosswalk.KIND: ("issued", "key-issuer", issuer, agreement.release.crosswalk_to),
    }
    if binding.kind == SHARE_KIND:
        passed_on = (entry.kind, binding.dataset) == ("relayed", "")
        return passed_on and _between_departments(binding.sender, binding.recipient, agreement)
    if binding.kind not in ways or (binding.dataset == "") != (binding.kind in {pairs.KIND, crosswalk.KIND}):
        return False
    return ways[binding.kind] == (entry.kind, entry.role, binding.sender, binding.recipient)


def _pairs_entry(entry: Entry) -> tuple[str, str]:
    """Pairs are made by the matcher, and received by the key issuer."""
    return ("matched", "matcher") if entry.role == "matcher" else ("received", "key-issuer")


def _between_departments(sender: str, recipient: str, agreement: Agreement) -> bool:
    ends = [agreement.party_named(party).roles for party in (sender, recipient)]
    return sender != recipient and all("department" in roles for roles in ends)


def _about(each: Named) -> str:
    return f"of '{each.binding.dataset}' " if each.binding.dataset else ""


def _signed(case: Case) -> SignedAgreement:
    if case.signed is None:
        raise ProtocolError("Run keys are not known, as the agreement's signatures did not verify.")
    return case.signed
