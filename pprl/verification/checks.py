"""The checks of a whole run, in the order in which they are made, and who makes them.

A check's number is its place; its id stays the same. docs/verification.md lists them, and a test holds the two
together. A check that fails stops only those that can't be made without it.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import date
from functools import partial

from pprl.errors import PprlError, VerificationError
from pprl.protocol.exported import AgreedVersion, ExportedLog
from pprl.verification import agreed, one_log, one_run
from pprl.verification.case import Case, Examined
from pprl.verification.outcome import Check, NothingToCheck, Outcome

Found = str | NothingToCheck

_BOTH = ("logs", "routes")
_PARTS = (*_BOTH, "encodings", "references")
OF_AGREEMENT: tuple[tuple[Check, Callable[[Case], Found]], ...] = (
    (
        Check(1, "agreement", "it is strictly spelt, and its parts fit together", "agreement"),
        agreed.check_agreement,
    ),
    (
        Check(
            2,
            "signatures",
            "everybody with keys in it has signed it, and nobody else; it follows the version before, if there is one",
            "agreement",
            ("agreement",),
        ),
        agreed.check_signatures,
    ),
)
OF_LOG: tuple[tuple[Check, Callable[[Case, Examined], Found]], ...] = (
    (
        Check(
            3,
            "same-agreement",
            "the export has the agreement in hand, its signatures and the version before, byte for byte",
            "log",
        ),
        one_log.check_same_agreement,
    ),
    (
        Check(
            4,
            "earlier-versions",
            "every earlier version that it has was signed by everybody, and the next one follows it",
            "log",
            ("agreement",),
        ),
        one_log.check_earlier_versions,
    ),
    (
        Check(
            5,
            "checkpoint",
            "its checkpoint is of a log about this agreement, signed with both keys by a coordinator party of it",
            "log",
            ("agreement",),
        ),
        one_log.check_checkpoint,
    ),
    (
        Check(6, "quorum", "a quorum of the agreed witnesses signed the checkpoint", "log", ("checkpoint",)),
        one_log.check_quorum,
    ),
    (
        Check(7, "root", "the entries are just the ones that were signed", "log", ("checkpoint",)),
        one_log.check_root,
    ),
    (Check(8, "entries", "every entry is strictly spelt", "log"), one_log.check_entries),
    (
        Check(
            9,
            "order",
            "they are about this agreement, in an order that the protocol allows, and their times don't go back",
            "log",
            ("agreement", "entries"),
        ),
        one_log.check_order,
    ),
    (
        Check(10, "roles", "every entry is of a role that the party holds", "log", ("checkpoint", "entries")),
        one_log.check_roles,
    ),
    (
        Check(
            11,
            "days",
            "everything was done while the agreement was in force",
            "log",
            ("agreement", "entries"),
        ),
        one_log.check_days,
    ),
    (
        Check(
            12,
            "retention",
            "nothing was taken in or done with what had to be gone by then",
            "log",
            ("agreement", "entries", "days"),
        ),
        one_log.check_retention,
    ),
    (
        Check(
            13,
            "registered",
            "the signatures that were registered are those in hand",
            "log",
            ("agreement", "checkpoint", "entries"),
        ),
        one_log.check_registered,
    ),
    (
        Check(
            14,
            "heads",
            "the head of every container that an entry names is there, and no other",
            "log",
            ("entries",),
        ),
        one_log.check_heads,
    ),
    (
        Check(
            15,
            "senders",
            "every head was signed by its sender with both keys, under our agreement and signatures, and says what the "
            "entry says",
            "log",
            ("signatures", "heads"),
        ),
        one_log.check_senders,
    ),
    (
        Check(
            16,
            "routes",
            "every container is of a kind that its sender sends to its recipient, in an entry of that step",
            "log",
            ("senders",),
        ),
        one_log.check_routes,
    ),
    (
        Check(
            17,
            "destroyed",
            "a certificate of destruction is the party's, of its run key, and covers every container of the log",
            "log",
            ("signatures", "checkpoint", "entries"),
        ),
        one_log.check_destroyed,
    ),
)
OF_RUN: tuple[tuple[Check, Callable[[Case], Found]], ...] = (
    (
        Check(
            18,
            "logs",
            "there is one log of each party that holds a coordinator role",
            "run",
            ("agreement", "checkpoint"),
        ),
        one_run.check_logs,
    ),
    (
        Check(19, "encodings", "the matcher received the encodings of each dataset, once", "run", _BOTH),
        one_run.check_encodings,
    ),
    (
        Check(20, "references", "the key issuer received the references of each dataset, once", "run", _BOTH),
        one_run.check_references,
    ),
    (
        Check(
            21,
            "submissions",
            "encodings and references of a dataset are of one submission, and of as many records",
            "run",
            _PARTS,
        ),
        one_run.check_submissions,
    ),
    (
        Check(22, "records", "the number of records of each dataset is in the agreed range", "run", _PARTS),
        one_run.check_records,
    ),
    (
        Check(
            23,
            "secret",
            "all encodings were made with one linkage secret, which each department confirms in its own way",
            "run",
            ("logs", "routes", "encodings"),
        ),
        one_run.check_secret,
    ),
    (
        Check(
            24,
            "matched",
            "the matcher compared just the encodings that it received",
            "run",
            ("logs", "routes", "encodings"),
        ),
        one_run.check_matched,
    ),
    (
        Check(
            25,
            "pairs",
            "the pairs that the key issuer received are the ones that the matcher made",
            "run",
            _PARTS,
        ),
        one_run.check_pairs,
    ),
    (
        Check(
            26,
            "issued",
            "the key issuer worked on just the references and pairs that it received",
            "run",
            ("logs", "routes", "references"),
        ),
        one_run.check_issued,
    ),
    (
        Check(
            27,
            "results",
            "each dataset's department was issued linkage keys for as many records as were submitted, and the agreed "
            "party the crosswalk",
            "run",
            _PARTS,
        ),
        one_run.check_results,
    ),
    (
        Check(
            28,
            "released",
            "what was released is what was issued, and nothing that a rule refused",
            "run",
            ("logs", "entries", "order"),
        ),
        one_run.check_released,
    ),
    (
        Check(
            29,
            "witnessed",
            "a quorum of witnesses had signed that it was issued before it was released",
            "run",
            ("logs", "entries", "order", "root"),
        ),
        one_run.check_witnessed,
    ),
    (
        Check(
            30,
            "summary",
            "the public summary is the one that was issued, and tells no count below the agreement's limit",
            "run",
            _PARTS,
        ),
        one_run.check_summary,
    ),
    (
        Check(
            31,
            "risk",
            "where the agreement limits attackers, each dataset's department states that it attacked these rows, and "
            "is within the limits",
            "run",
            ("logs", "routes", "encodings"),
        ),
        one_run.check_risk,
    ),
)
CHECKS = tuple(check for table in (OF_AGREEMENT, OF_LOG, OF_RUN) for check, _ in table)
_BY_ID = {check.id: check for check in CHECKS}


@dataclass(slots=True)
class _Record:
    """The outcomes so far."""

    logs: Sequence[str]
    outcomes: list[Outcome] = field(default_factory=list)

    def passed(self, need: str, log: str) -> bool:
        """Whether a check has passed: of a log, and of every log where the one that needs it is of none alone."""
        where = {"log": [log] if log else self.logs}.get(_BY_ID[need].of, [""])
        done = {(each.check.id, each.log) for each in self.outcomes if each.result == "ok"}
        return all((need, name) in done for name in where)

    def make(self, check: Check, log: str, function: Callable[[], Found]) -> None:
        """Make a check, if it can be made."""
        stopped_by = next((need for need in check.needs if not self.passed(need, log)), "")
        if stopped_by:
            told = f"can't be checked, as '{stopped_by}' did not pass"
            self.outcomes.append(Outcome(check, log, "--", told, stopped_by))
        else:
            self.outcomes.append(_attempt(check, log, function))


def verify_run(in_hand: AgreedVersion, logs: Sequence[ExportedLog], *, today: date) -> list[Outcome]:
    """Make every check of a run. Run by an auditor, or by anybody else who has the agreement.

    Args:
        in_hand: the agreement that is trusted, with everybody's signatures.
        logs: the exports; their names must differ.
        today: the day.

    Returns:
        An outcome for each check of the agreement, of each log, and of all logs together, in that order.
    """
    case = Case(in_hand, today, [Examined(log) for log in logs])
    record = _Record([log.name for log in logs])
    for check, of_agreement in OF_AGREEMENT:
        record.make(check, "", partial(of_agreement, case))
    for log in case.logs:
        for check, of_log in OF_LOG:
            record.make(check, log.exported.name, partial(of_log, case, log))
    for check, of_run in OF_RUN:
        record.make(check, "", partial(of_run, case))
    return record.outcomes


def require_passed(outcomes: Sequence[Outcome]) -> None:
    """Refuse a run of which a check failed.

    Raises:
        VerificationError: naming the first.
    """
    failed = [each for each in outcomes if each.failed]
    if failed:
        first = failed[0]
        where = f" of {first.log}" if first.log else ""
        raise VerificationError(
            f"Check {first.check.number} ({first.check.id}){where} failed: {first.told}",
            hint=f"{len(failed)} failed in all. Don't rely on the run before each is explained.",
        )


def _attempt(check: Check, log: str, function: Callable[[], Found]) -> Outcome:
    try:
        found = function()
    except PprlError as refusal:
        told = " ".join([refusal.message, *map(str, refusal.findings[:1])])
        return Outcome(check, log, "NO", told)
    if isinstance(found, NothingToCheck):
        return Outcome(check, log, "--", found.why)
    return Outcome(check, log, "ok", found)
