"""Checks of all logs together: that what one party says it sent is what another says it received, and so to the end.

Each check is of all logs, once they are read, and gives in words what it has seen: digests and counts that are in the
logs already. What doesn't hold it raises as a `VerificationError` (a `FormatError` where bytes are not as specified),
with what to do where something can be done; where the run has not got what it is about, it gives `NothingToCheck`.
`checks.py` has numbers, order, and what each check needs before it.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from pprl.crypto import notes
from pprl.crypto.risk_statements import open_risk_statement, require_passing
from pprl.errors import FormatError, VerificationError
from pprl.protocol import crosswalk, linkage_keys, merkle, pairs, submission
from pprl.protocol.agreement import Role
from pprl.protocol.log import Entry
from pprl.verification.case import COORDINATOR_ROLES, Case, Examined, Named
from pprl.verification.outcome import NothingToCheck

_SUMMARY = {"project", "agreement_sha256", "records", "linked_people", "method"}
_METHOD = re.compile(r"[^0-9]{1,400}")


def check_logs(case: Case) -> str:
    """See that the export of every coordinator party is here, once."""
    expected = {case.content.party_with(role).id for role in COORDINATOR_ROLES}
    for left, right in _twice(case.logs):
        if left.checkpoint.size == right.checkpoint.size and left.checkpoint.root != right.checkpoint.root:
            raise VerificationError(
                f"'{left.party}' has signed two histories of {left.checkpoint.size} entries.",
                hint="Keep both exports: they bear its signatures. Tell the other parties.",
            )
        raise VerificationError(
            f"There are two exports of the log of '{left.party}'.", hint="Give one of them."
        )
    missing = expected - {log.party for log in case.logs}
    if missing:
        raise VerificationError(
            f"There is no export of the log of: {', '.join(sorted(missing))}.",
            hint="Give the folders of all coordinator parties: each writes one with 'coordinator log export'.",
        )
    return f"of {', '.join(sorted(expected))}"


def check_encodings(case: Case) -> str:
    """Count the encodings that the matcher received."""
    return _each_once(case, "matcher", submission.ENCODINGS_KIND)


def check_references(case: Case) -> str:
    """Count the references that the key issuer received."""
    return _each_once(case, "key-issuer", submission.REFERENCES_KIND)


def check_submissions(case: Case) -> str:
    """Hold the two parts of each submission against each other."""
    references = {each.binding.dataset: each for each in _references(case)}
    for each in _encodings(case):
        ours, theirs = each.binding, references[each.binding.dataset].binding
        if (ours.submission, ours.records) != (theirs.submission, theirs.records):
            raise VerificationError(
                f"The encodings and the references of '{ours.dataset}' belong to different submissions."
            )
    for each in (*_encodings(case), *references.values()):
        if each.entry.detail["submission"] != each.binding.submission:
            raise VerificationError(
                f"The log tells another submission of '{each.binding.dataset}' than its department signed."
            )
    return f"{len(references)} submissions"


def check_records(case: Case) -> str:
    """Hold the number of records of each dataset against the agreed range."""
    for each in (*_encodings(case), *_references(case)):
        agreed = case.content.dataset_named(each.binding.dataset)
        if not agreed.expected_rows_min <= each.binding.records <= agreed.expected_rows_max:
            raise VerificationError(
                f"The {each.binding.kind} of '{agreed.name}' are of {each.binding.records} records; the agreement "
                f"expects {agreed.expected_rows_min} to {agreed.expected_rows_max}."
            )
    return f"{sum(_records(case).values())} records"


def check_secret(case: Case) -> str:
    """Compare what the encodings tell of the linkage secret: its key check, and each department's confirmation."""
    details = [each.entry.detail for each in _encodings(case)]
    if len({detail["key_check"] for detail in details}) > 1:
        raise VerificationError(
            "The datasets were encoded with different linkage secrets: their key checks differ."
        )
    of_party = {each.binding.sender: each.entry.detail["confirmation"] for each in _encodings(case)}
    told = {(each.binding.sender, each.entry.detail["confirmation"]) for each in _encodings(case)}
    if len(told) != len(of_party) or len(set(of_party.values())) != len(of_party):
        raise VerificationError(
            "Each department confirms the linkage secret in its own way; here two confirmations are the same, or one "
            "department has two."
        )
    return f"{len(of_party)} departments confirm one secret"


def check_matched(case: Case) -> str:
    """Hold what the matcher compared against what it had received."""
    _, entry = case.log_of("matcher").only("matched")
    _require_inputs(entry, _encodings(case), "matcher compared")
    return f"{len(entry.detail['inputs'])} encodings"


def check_pairs(case: Case) -> str:
    """Hold the pairs that the key issuer received against those that the matcher made."""
    _, matched = case.log_of("matcher").only("matched")
    received = case.log_of("key-issuer").received("key-issuer", pairs.KIND)
    if [each.detail for each in received] != [matched.detail["container"]]:
        raise VerificationError("The pairs that the key issuer received are not those that the matcher made.")
    if received[0].binding.records != sum(_records(case).values()):
        raise VerificationError("The pairs are of another number of records than was submitted.")
    return "the very same container"


def check_issued(case: Case) -> str:
    """Hold what the key issuer worked on against what it had received."""
    log = case.log_of("key-issuer")
    _, entry = log.only("issued")
    _require_inputs(
        entry, [*_references(case), *log.received("key-issuer", pairs.KIND)], "key issuer worked on"
    )
    return f"{len(entry.detail['inputs']) - 1} references, and the pairs"


def check_results(case: Case) -> str:
    """Hold what was issued against what each party must get.

    1. There is one file of linkage keys for each dataset, and the crosswalk if the agreement names somebody for it.
    2. Each is of the number of records that was submitted; linkage keys are of the same submission.
    """
    results = _results(case)
    expected = {f"{each.name}.linkage-keys": (linkage_keys.KIND, each.name) for each in case.content.dataset}
    if case.content.release.crosswalk_to is not None:
        expected["crosswalk"] = (crosswalk.KIND, "")
    if {name: (each.binding.kind, each.binding.dataset) for name, each in results.items()} != expected:
        raise VerificationError(f"The results that were issued are not: {', '.join(expected)}.")  # 1
    submissions = {each.binding.dataset: each.binding.submission for each in _references(case)}
    records = _records(case)
    for name, each in results.items():
        of = each.binding.dataset
        if each.binding.records != (records[of] if of else sum(records.values())):
            raise VerificationError(
                f"Result '{name}' is of another number of records than was submitted."
            )  # 2
        if each.binding.submission != submissions.get(of, ""):
            raise VerificationError(f"Result '{name}' is of another submission than was received.")  # 2
    return f"{len(results)} results, each sealed by the key issuer to its recipient"


def check_released(case: Case) -> str | NothingToCheck:
    """Hold what was released against what was issued, and against refusals.

    1. Nothing is released that a rule refused, and refusals are the one that was foreseen.
    2. The released files are the issued ones, all of them.
    """
    log = case.log_of("key-issuer")
    (_, issued), released = log.only("issued"), log.of_kind("released")
    refusal = issued.detail["refusal"]
    if any(entry.detail["reason"] != refusal for _, entry in log.of_kind("refused")):
        raise VerificationError("A release was refused for another reason than the one that was issued.")  # 1
    if refusal and released:
        raise VerificationError("Results were released that a release rule refused.")  # 1
    if not released:
        return NothingToCheck(f"refused: {refusal}" if refusal else "nothing was released by then")
    expected = {name: each["sha256"] for name, each in issued.detail["results"].items()}
    if released[0][1].detail["results"] != expected:
        raise VerificationError("The results that were released are not the ones that were issued.")  # 2
    return f"{len(expected)} results, as issued"


def check_witnessed(case: Case) -> str | NothingToCheck:
    """Verify the receipt with which results were released.

    1. It proves an entry, in a checkpoint that a quorum of witnesses signed.
    2. The entry is the one of this very log that tells what was issued.
    3. The checkpoint is one of this log's own past, and was before the release.
    """
    log = case.log_of("key-issuer")
    (place, _), released = log.only("issued"), log.of_kind("released")
    if not released:
        return NothingToCheck("nothing was released by then")
    if log.exported.issued_receipt is None:
        raise VerificationError("The export has no receipt of what was issued.")
    opened = notes.open_receipt(log.exported.issued_receipt, case.file)  # 1
    if (opened.checkpoint.party, opened.index, opened.entry) != (log.party, place, log.entries[place]):
        raise VerificationError("The receipt is not of the entry that tells what was issued.")  # 2
    leaves = [merkle.leaf_hash(entry) for entry in log.exported.entries]
    seen = opened.checkpoint
    if merkle.root(leaves[: seen.size]) != seen.root:
        raise VerificationError(
            f"Witnesses were shown another history of {seen.size} entries of the log of '{log.party}'.",
            hint="Keep the export: it bears that party's signatures. Tell the other parties.",
        )  # 3
    if seen.size > released[0][0]:
        raise VerificationError(
            "The results were released before the witnesses of their receipt had signed."
        )  # 3
    return f"{', '.join(opened.witnesses)} signed {seen.size} entries; the release is entry {released[0][0]}"


def check_summary(case: Case) -> str:
    """Read the public summary.

    1. It is the one that was issued, of this agreement.
    2. It tells each dataset's number of records, or that it is below the agreement's limit.
    3. It tells people in steps of the limit, and stops short of all that could be linked;
       of a refused run it tells none.
    """
    log = case.log_of("key-issuer")
    _, issued = log.only("issued")
    raw = log.exported.summary
    if raw is None or hashlib.sha256(raw).hexdigest() != issued.detail["summary_sha256"]:
        raise VerificationError("The summary is missing, or not the one that was issued.")  # 1
    summary = _parsed_summary(raw)
    if (summary["project"], summary["agreement_sha256"]) != (case.content.project.id, case.file.sha256):
        raise VerificationError("The summary is about another agreement.")  # 1
    limit, records = case.content.release.small_number_limit, _records(case)
    shown = {name: count if count >= limit else f"fewer than {limit}" for name, count in records.items()}
    if not _same(summary["records"], shown):
        raise VerificationError("The summary tells other numbers of records than it must.")  # 2
    most = max(sum(records.values()) - max(records.values()) - limit, 0)
    people = summary["linked_people"]
    if issued.detail["refusal"]:
        if people is not None:
            raise VerificationError("The summary tells of people in a run that a release rule refused.")  # 3
        return "a refused run: no people are told"
    if type(people) is not int or people % limit or not 0 <= people <= most:
        raise VerificationError(
            "The summary tells the number of linked people more closely than it may."
        )  # 3
    return f"no count below {limit}"


def check_risk(case: Case) -> str | NothingToCheck:
    """Open what departments stated of their own attacks, where the agreement limits attackers.

    1. The log and the export have a statement for each dataset whose encodings were received, and no other.
    2. It is the one that the log names.
    3. It is the department's, about this agreement and dataset, and of the rows that the encodings commit to.
    4. It passes.
    """
    statements, received = case.log_of("matcher").exported.risks, _encodings(case)
    told = {each.binding.dataset: each.entry.detail.get("risk_sha256") for each in received}
    asked = case.content.privacy.risk is not None
    if set(statements) != (set(told) if asked else set()) or any(
        (each is None) == asked for each in told.values()
    ):
        raise VerificationError(
            "Risk statements are missing of datasets that were received, or there are some that are not asked for."
        )  # 1
    if not asked:
        return NothingToCheck("the agreement does not limit whom attackers may name")
    for each in received:
        dataset = each.binding.dataset
        if hashlib.sha256(statements[dataset]).hexdigest() != told[dataset]:
            raise VerificationError(
                f"The risk statement of '{dataset}' is not the one that the log names."
            )  # 2
        stated = open_risk_statement(statements[dataset], agreement=case.file, dataset=dataset)  # 3
        root = each.entry.detail["rows_root"]
        require_passing(stated, case.file, rows_root=root, rows=each.binding.records)  # 3, 4
    return f"{len(statements)} statements of departments, all within the limits"


def _twice(logs: Sequence[Examined]) -> Iterable[tuple[Examined, Examined]]:
    first: dict[str, Examined] = {}
    for log in logs:
        other = first.setdefault(log.party, log)
        if other is not log:
            yield other, log


def _encodings(case: Case) -> list[Named]:
    return case.log_of("matcher").received("matcher", submission.ENCODINGS_KIND)


def _references(case: Case) -> list[Named]:
    return case.log_of("key-issuer").received("key-issuer", submission.REFERENCES_KIND)


def _records(case: Case) -> dict[str, int]:
    """The number of records of each dataset, in the agreement's order."""
    found = {each.binding.dataset: each.binding.records for each in _references(case)}
    return {dataset.name: found[dataset.name] for dataset in case.content.dataset}


def _each_once(case: Case, role: Role, kind: str) -> str:
    received = Counter(each.binding.dataset for each in case.log_of(role).received(role, kind))
    names = [dataset.name for dataset in case.content.dataset]
    missing = [name for name in names if not received[name]]
    twice = [name for name in names if received[name] > 1]
    if missing:
        raise VerificationError(f"The {role} received no {kind} of: {', '.join(missing)}.")
    if twice:
        raise VerificationError(f"The {role} received {kind} twice of: {', '.join(twice)}.")
    return f"of {', '.join(names)}"


def _require_inputs(entry: Entry, received: Sequence[Named], done: str) -> None:
    if entry.detail["inputs"] != sorted(each.detail["head_sha256"] for each in received):
        raise VerificationError(f"What the {done} is not just what was received.")


def _results(case: Case) -> Mapping[str, Named]:
    log = case.log_of("key-issuer")
    _, entry = log.only("issued")
    return {
        name: Named(entry, detail, log.bindings[detail["head_sha256"]])
        for name, detail in sorted(entry.detail["results"].items())
    }


def _parsed_summary(raw: bytes) -> dict[str, Any]:
    try:
        tree = json.loads(raw)
    except (ValueError, RecursionError):
        raise FormatError("The summary is not JSON.") from None
    if not isinstance(tree, dict) or set(tree) != _SUMMARY or not isinstance(tree["records"], dict):
        raise FormatError("The summary has other members than it must have.")
    if not isinstance(tree["method"], str) or not _METHOD.fullmatch(tree["method"]):
        raise FormatError("The summary's method is not told in words alone.")
    return tree


def _same(told: Mapping[str, Any], expected: Mapping[str, Any]) -> bool:
    """Whether two mappings are the same, where `true` is no 1."""
    return {name: (type(value), value) for name, value in told.items()} == {
        name: (type(value), value) for name, value in expected.items()
    }
