"""What a new version of an agreement changes, field by field, and which changes cost privacy or widen a purpose.

Parties, datasets, identifiers, features, passes and approvals are matched by their names, never by their place.
Comments, layout and order don't count, but for the order of the features, which decides their keys.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from pprl.agreements.measured import NOBODY_RECOGNISED, ONE_OFFICE, PLAIN_CLK
from pprl.errors import Finding
from pprl.protocol.agreement import Agreement, AgreementFile, ClkFeature


@dataclass(frozen=True, slots=True)
class Change:
    """One difference.

    Attributes:
        path: where, with names in brackets: `dataset[court].expected_rows_max`.
        old: what was there; None if nothing.
        new: what is there now; None if nothing.
        weakens: how it weakens privacy or widens the purpose; empty if it doesn't.
    """

    path: str
    old: str | None
    new: str | None
    weakens: str = ""


def diff(old: AgreementFile, new: AgreementFile) -> tuple[Change, ...]:
    """Compare two agreements. Whoever is asked to approve a new version runs it.

    Args:
        old: the version in force.
        new: the version proposed.

    Returns:
        Every difference, in the order of the old file's sections; none if only comments or layout differ.
    """
    before, after = _named(old.content.model_dump()), _named(new.content.model_dump())
    changes = list(_compare("", before, after))
    if new.content.one_office and not old.content.one_office:
        changes.append(
            Change("coordinator", "two parties", "one party", f"one office holds both roles: {ONE_OFFICE}")
        )
    return (*changes, *_order_of_features(old.content, new.content))


def version_chain(old: AgreementFile, new: AgreementFile) -> tuple[Finding, ...]:
    """Whether one agreement is the next version of another.

    Args:
        old: the version in force.
        new: the version proposed.

    Returns:
        Findings; none means that it is the same project, exactly one version on, and names the old one's digest.
    """
    findings = []
    if new.content.project.id != old.content.project.id:
        findings.append(Finding("another project", column="project.id"))
    expected = old.content.project.version + 1
    if new.content.project.version != expected:
        findings.append(Finding(f"must be {expected}, one more than the old one's", column="project.version"))
    if new.content.project.previous_sha256 != old.sha256:
        findings.append(Finding(f"must be the old one's, {old.sha256}", column="project.previous_sha256"))
    return tuple(findings)


def diff_text(old: AgreementFile, new: AgreementFile) -> str:
    """The comparison for people: the chain, then changes that weaken something, then the others."""
    changes = diff(old, new)
    parts = [
        f"Old: {_title(old)}\nNew: {_title(new)}",
        _chain_text(version_chain(old, new)),
        _section(
            "Changes that weaken privacy or widen the purpose", [each for each in changes if each.weakens]
        ),
        _section("Other changes", [each for each in changes if not each.weakens]),
    ]
    if not changes:
        same = old.raw == new.raw
        parts.append("The two files are the same." if same else "Only comments, layout or order differ.")
    return "\n\n".join(part for part in parts if part) + "\n"


def _title(file: AgreementFile) -> str:
    project = file.content.project
    return f"{project.id}, version {project.version}, SHA-256 {file.sha256}"


def _chain_text(findings: tuple[Finding, ...]) -> str:
    if not findings:
        return "The new file is the next version of the old one, and names its SHA-256."
    return "\n".join(
        ["The new file is not the next version of the old one:", *(f"  {each}" for each in findings)]
    )


def _section(heading: str, changes: list[Change]) -> str:
    if not changes:
        return ""
    return "\n".join(
        [f"{heading} ({len(changes)}):", *(line for change in changes for line in _lines(change))]
    )


def _lines(change: Change) -> Iterator[str]:
    yield f"  {change.path}"
    if change.old is not None:
        yield f"    - {change.old}"
    if change.new is not None:
        yield f"    + {change.new}"
    if change.weakens:
        yield f"    ! {change.weakens}"


_NAMES: Mapping[str, Callable[[Mapping[str, Any]], str]] = {
    "party": lambda each: each["id"],
    "dataset": lambda each: each["name"],
    "identifier": lambda each: each["name"],
    "features": lambda each: each["identifier"],
    "passes": lambda each: each["name"],
    "match_keys": lambda each: each["name"],
    "approval": lambda each: f"{each['party']}: {each['officer']}",
    "exception": lambda each: each["holder"],
}


def _named(tree: Any, key: str = "") -> Any:
    """The tree without what is absent, and with tables in an array by name instead of by place."""
    if isinstance(tree, dict):
        return {name: _named(value, name) for name, value in tree.items() if value is not None}
    if isinstance(tree, tuple) and key in _NAMES:
        return {f"[{_NAMES[key](each)}]": _named(each) for each in tree}
    return tree


def _compare(path: str, old: Any, new: Any) -> Iterator[Change]:
    if isinstance(old, dict) and isinstance(new, dict):
        for key in [*old, *(key for key in new if key not in old)]:
            inner = f"{path}{key}" if key.startswith("[") else f"{path}.{key}".lstrip(".")
            yield from _compare(inner, old.get(key), new.get(key))
    elif isinstance(old, tuple) and isinstance(new, tuple):
        yield from (_change(path, each, None) for each in old if each not in new)
        yield from (_change(path, None, each) for each in new if each not in old)
    elif old != new:
        yield _change(path, old, new)


def _change(path: str, old: Any, new: Any) -> Change:
    reasons = (rule.reason for rule in _RULES if re.fullmatch(rule.path, path) and rule.weaker(old, new))
    return Change(path, _shown(old), _shown(new), next(reasons, ""))


def _shown(value: Any) -> str | None:
    if value is None:
        return None
    if isinstance(value, dict):
        return ", ".join(f"{key.strip('[]')} = {_shown(each)}" for key, each in value.items())
    if isinstance(value, tuple):
        return "[" + ", ".join(str(_shown(each)) for each in value) + "]"
    if isinstance(value, bool):
        return "true" if value else "false"
    text = str(value)
    return text if len(text) <= 400 else f"{text[:20]}... ({len(text)} characters)"


def _order_of_features(old: Agreement, new: Agreement) -> Iterator[Change]:
    """The one change of place that counts; scheme clk alone has it."""
    names = [[each.identifier for each in _features(agreement)] for agreement in (old, new)]
    before, after = ([name for name in one if name in other] for one, other in (names, names[::-1]))
    if before != after:
        yield Change("encoding.clk.features (order)", ", ".join(before), ", ".join(after))


def _features(agreement: Agreement) -> tuple[ClkFeature, ...]:
    clk = agreement.encoding.clk
    return clk.features if clk else ()


@dataclass(frozen=True, slots=True)
class _Rule:
    path: str
    weaker: Callable[[Any, Any], bool]
    reason: str


def _added(old: Any, new: Any) -> bool:
    return old is None and new is not None


def _removed(old: Any, new: Any) -> bool:
    return old is not None and new is None


def _replaced(old: Any, new: Any) -> bool:
    return old is not None and new is not None


def _any(_old: Any, _new: Any) -> bool:
    return True


def _lower(old: Any, new: Any) -> bool:
    return _replaced(old, new) and not isinstance(old, str) and not isinstance(new, str) and bool(new < old)


def _higher(old: Any, new: Any) -> bool:
    return _replaced(old, new) and bool(new > old)


def _to(value: str) -> Callable[[Any, Any], bool]:
    return lambda _old, new: new == value


_RULES = (
    _Rule(r"project\.purposes_permitted", _added, "one more purpose"),
    _Rule(r"project\.purposes_forbidden", _removed, "no longer forbidden"),
    _Rule(r"project\.valid_until", _higher, "in force for longer"),
    _Rule(r"project\.valid_from", _lower, "in force from an earlier day"),
    _Rule(r"dpia\.expires", _higher, "the assessment is relied on for longer: was it made anew?"),
    _Rule(r"party\[[^]]*\]", _added, "one more party"),
    _Rule(r"party\[[^]]*\]\.roles", _added, "the party learns more"),
    _Rule(
        r"party\[[^]]*\]\.keys(\..*)?",
        lambda old, _new: old is not None,
        "whoever made the new key now acts for this party: compare fingerprints by telephone or in person",
    ),
    _Rule(r"dataset\[[^]]*\]", _added, "one more table about people"),
    _Rule(r"dataset\[[^]]*\]\.party", _any, "another party brings the table"),
    _Rule(r"dataset\[[^]]*\]\.columns\..*", _added, "one more column is read"),
    _Rule(r"dataset\[[^]]*\]\.columns\..*", _replaced, "another column is read"),
    _Rule(r"dataset\[[^]]*\]\.expected_rows_max", _higher, "a larger file is accepted"),
    _Rule(
        r"dataset\[[^]]*\]\.expected_rows_min",
        _lower,
        "a smaller file, which can test for people, is accepted",
    ),
    _Rule(
        r"dataset\[[^]]*\]\.may_have_duplicates",
        lambda _old, new: new is True,
        "records of the table are then linked to each other; where keys are per person, its department learns which",
    ),
    _Rule(r"identifier\[[^]]*\]", _added, "one more identifier is used"),
    _Rule(
        r"encoding\.profile",
        _to("clkhash-compatible"),
        f"whoever holds the encodings and a list can name people: {NOBODY_RECOGNISED}",
    ),
    _Rule(
        r"encoding\.profile",
        _removed,
        "nothing then keeps the parameters together that were measured together",
    ),
    _Rule(r"encoding\.profile", _replaced, "another profile withstands other attacks: read its figures"),
    _Rule(r"encoding\.scheme", _to("clk"), f"one encoding a record can be attacked: {PLAIN_CLK}"),
    _Rule(r"encoding\.scheme", _any, "another scheme withstands other attacks: read its figures"),
    _Rule(r"encoding\.min_identifiers", _lower, "records with less evidence are linked"),
    _Rule(r"encoding\.clk\.xor_folds", _lower, "fewer foldings withstand fewer attacks"),
    _Rule(r"encoding\.clk\.features\[[^]]*\]\.hash", _to("double"), "double hashing shows more patterns"),
    _Rule(
        r"encoding\.clk\.features\[[^]]*\]\.bits_per_token",
        _added,
        "the number of bits then tells how long a value is",
    ),
    _Rule(
        r"encoding\.clk\.match_keys(\[[^]]*\])?",
        _added,
        "whoever holds two files' encodings sees which of their records share it",
    ),
    _Rule(
        r"encoding\.clk\.match_keys\[[^]]*\]\.parts",
        _removed,
        "without the part, more people share it, and more links are wrong",
    ),
    _Rule(
        r"encoding\.field_filters\.positions_per_field",
        _higher,
        "fuller filters are alike to more people's",
    ),
    _Rule(
        r"encoding\.field_filters\.max_block_records",
        _higher,
        "larger blocks show more: who in them is alike, and a size that may name them",
    ),
    _Rule(
        r"encoding\.field_filters\.one_person_a_block",
        _to("false"),
        "the matcher can then compare a table's own people with each other inside a block, which names many",
    ),
    _Rule(
        r"encoding\.field_filters\.join_at_home",
        _to("false"),
        "the matcher can then compare a person's own records with each other, which names a third of them",
    ),
    _Rule(
        r"encoding\.field_filters\.passes\[[^]]*\]",
        _added,
        "one more pass shows the matcher one more picture of the file",
    ),
    _Rule(
        r"encoding\.field_filters\.passes\[[^]]*\]\.parts",
        _removed,
        "without the part, blocks are larger, and more records are compared",
    ),
    _Rule(r"linkage\.target_precision", _lower, "more links may be wrong"),
    _Rule(r"linkage\.cost_ratio", _lower, "more wrong links are taken for fewer missed ones"),
    _Rule(r"linkage\.cost_ratio", _removed, "a wrong link costs no more than a missed one"),
    _Rule(r"linkage\.threshold", _lower, "weaker pairs are linked"),
    _Rule(
        r"linkage\.threshold",
        lambda old, _new: old == "estimated",
        "nothing then keeps the share of wrong links to the target",
    ),
    _Rule(r"privacy\.max_popcount_share", _higher, "encodings that match more people pass"),
    _Rule(r"privacy\.visible_structure", _to("allow"), "whole filters with visible structure pass"),
    _Rule(r"privacy\.risk", _removed, "nobody has to attack the encodings before they leave"),
    _Rule(r"privacy\.risk\.people", _lower, "attackers do worse on smaller files, and the figures flatter"),
    _Rule(r"privacy\.risk\.known_people", _lower, "attackers who recognise more people are not judged"),
    _Rule(r"privacy\.risk\..*_per_10000", _higher, "an attacker may name more people"),
    _Rule(r"privacy\.risk\.exception\[[^]]*\]", _added, "one more holder may name more than the limit"),
    _Rule(r"privacy\.risk\.exception\[[^]]*\]\.per_10000", _higher, "an attacker may name more people"),
    _Rule(
        r"release\.linkage_keys",
        _to("per-person"),
        "a department learns which of its own records were linked",
    ),
    _Rule(
        r"release\.keep_linkage_keys",
        lambda _old, new: new is True,
        "the key issuer can then tell which records of two versions are one, and what is known under a key grows",
    ),
    _Rule(r"release\.crosswalk_to", lambda _old, new: new is not None, "another party learns who matched"),
    _Rule(r"release\.min_linked_people", _lower, "a smaller result is released"),
    _Rule(r"release\.min_overlap", _lower, "files with fewer people in common are released"),
    _Rule(r"release\.min_overlap", _removed, "files with hardly anybody in common are released"),
    _Rule(r"release\.small_number_limit", _lower, "smaller counts are shown"),
    _Rule(
        r"release\.rates_by",
        _added,
        "departments hand the research environment one more thing about each person; small numbers stay hidden",
    ),
    _Rule(r"retention\..*", _higher, "kept for longer"),
    _Rule(r"log\.quorum", _lower, "fewer watch the log"),
    _Rule(r"log\.witnesses", _removed, "fewer watch the log"),
)
