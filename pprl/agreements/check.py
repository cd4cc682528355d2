"""Everything there is to say against an agreement at once: problems, what is left to do, and warnings.

A problem refuses every run and rehearsal. Missing keys and approvals are left to do, and refuse a run
alone; so are words that a draft left open, which only people can refuse. A warning refuses nothing: it says
what a choice costs, with a figure where one was measured. A danger is a warning that nobody may overlook: with this
choice, whoever holds the encodings can name the people.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import date
from itertools import combinations
from typing import Any, Literal, get_args

from pprl.agreements.draft import TO_BE_COMPLETED
from pprl.agreements.measured import (
    DIRTY_DATA,
    FIXED_THRESHOLD,
    FOLDED,
    FOLDED_SPARSE,
    NOBODY_RECOGNISED,
    ONE_OFFICE,
    PLAIN_CLK,
    SEVERAL_RECORDS,
    WHOLE_BLOCKS,
)
from pprl.errors import ConfigError, Finding
from pprl.protocol.agreement import (
    REFUSE_PER_10000,
    REVIEW_PER_10000,
    AgreedPass,
    Agreement,
    Dataset,
    FieldFilterParameters,
    Holder,
    limit_key,
    not_answered_for,
    not_filled_in,
    out_of_time,
    parse,
)
from pprl.protocol.groups import can_be_grouped
from pprl.protocol.kinds import Kind, can_be_joined
from pprl.protocol.profiles import FOLDS
from pprl.protocol.toml_lines import KeyPath, dotted, key_lines, line_of

Level = Literal["problem", "to do", "danger", "warning"]
REFUSING: frozenset[Level] = frozenset({"problem", "to do"})
"""What keeps an agreement from being used for a run as it is."""

WIDE_RANGE = 10
LONG_RETENTION_DAYS = 180
LEAST_FILLED = 0.3
"""Bits that features set, in parts of a filter before it is folded: below this, folding hides little."""
FEW_PASSES = 4

TELL_LITTLE: frozenset[Kind] = frozenset({"sex", "year-of-birth", "place"})
"""Kinds that so many people share that a block of them alone holds hundreds or is left out."""

HOLDER_WORDS: Mapping[Holder, str] = {
    "matcher": "the matcher",
    "key-issuer": "the key issuer",
    "together": "matcher and key issuer together",
}
"""Who names people, as the subject of a sentence."""

PARTIAL = frozenset({"initial", "year", "year-month", "month-day", "unordered-month-day"})
"""Transforms that leave so little of a value that a block of one alone is as large."""
FULL_ENOUGH_TO_MATCH_MANY = 0.75


@dataclass(frozen=True, slots=True)
class Remark:
    """A finding with its weight.

    Attributes:
        level: `problem`, `to do`, `danger` or `warning`.
        finding: what and where.
    """

    level: Level
    finding: Finding

    def __str__(self) -> str:
        """One line, the level first."""
        return f"{self.level}: {self.finding}"


def check(raw: bytes, *, where: str, today: date) -> tuple[Remark, ...]:
    """Judge an agreement's file. Anybody runs it, before approving and before each step.

    Args:
        raw: the file's bytes.
        where: how messages name the file.
        today: the day of the check.

    Returns:
        Remarks: problems first, then what is left to do, dangers and warnings, each in the order of the file.
        If the file is not an agreement, only the problems that make it none.
    """
    try:
        agreement = parse(raw, where=where).content
    except ConfigError as error:
        findings = error.findings or (Finding(error.message, error.hint),)
        return tuple(Remark("problem", finding) for finding in findings)
    lines = key_lines(raw.decode())
    remarks = [
        *(Remark("problem", finding) for finding in out_of_time(agreement, today=today)),
        *(Remark("to do", finding) for finding in not_filled_in(agreement)),
        *(Remark("to do", finding) for finding in not_answered_for(agreement)),
        *(Remark("to do", finding) for finding in open_ends(agreement)),
        *(Remark("danger", finding) for finding in dangers(agreement)),
        *(Remark("warning", finding) for finding in warnings(agreement)),
    ]
    located = (replace(remark, finding=_with_line(remark.finding, lines)) for remark in remarks)
    return tuple(sorted(located, key=lambda remark: (_ORDER[remark.level], remark.finding.line or math.inf)))


def open_ends(agreement: Agreement) -> Iterator[Finding]:
    """What a draft left for people to write. It refuses nothing: whoever approves must not approve it so.

    Args:
        agreement: a parsed agreement.

    Yields:
        Findings: placeholders and example addresses.
    """
    for path, text in _texts(agreement.model_dump()):
        if text.casefold().startswith(TO_BE_COMPLETED.casefold()):
            yield Finding("still to be completed", column=dotted(path))
        elif path[-1] == "contact" and text.casefold().endswith(".example"):
            yield Finding("an example address", "give a real one", column=dotted(path))


def dangers(agreement: Agreement) -> Iterator[Finding]:
    """What makes encodings as good as names. Whoever approves must have weighed it.

    Args:
        agreement: a parsed agreement.

    Yields:
        Findings, each with the measured figure.
    """
    clk = agreement.encoding.clk
    if clk is not None and not clk.xor_folds:
        yield Finding(
            f"whoever holds plain encodings and a list of people can name them: {NOBODY_RECOGNISED}; {PLAIN_CLK}",
            "agree profile accuracy-first or privacy-first; if it must be, let the matcher hold no list of the people, "
            "and keep encodings for days",
            column="encoding.scheme",
        )
    yield from _exceptions(agreement, high=True)


def warnings(agreement: Agreement) -> Iterator[Finding]:
    """What an agreement's choices cost. Whoever approves should have read these.

    Args:
        agreement: a parsed agreement.

    Yields:
        Findings; those with a figure tell a measured one.
    """
    for warn in _WARNINGS:
        yield from warn(agreement)


def remarks_text(remarks: tuple[Remark, ...]) -> str:
    """Remarks for people: a heading for each level, then a line each."""
    if not remarks:
        return "No problems, nothing left to do, no warnings.\n"
    parts = []
    for level in get_args(Level):
        mine = _lines(remarks, level)
        if mine:
            parts.append("\n".join(mine))
    return "\n\n".join(parts) + "\n"


def dangers_of(remarks: tuple[Remark, ...]) -> frozenset[str]:
    """The lines of `remarks_text` that nobody may overlook."""
    return frozenset(_lines(remarks, "danger"))


def _lines(remarks: tuple[Remark, ...], level: Level) -> list[str]:
    """A heading and a line each; nothing if there is none of the level."""
    mine = [f"  {remark.finding}" for remark in remarks if remark.level == level]
    return [f"{_HEADINGS[level]} ({len(mine)}):", *mine] if mine else []


_ORDER = {level: place for place, level in enumerate(get_args(Level))}
_HEADINGS = {
    "problem": "Problems: nothing runs until they are mended",
    "to do": "To do before a real run; a rehearsal needs none of it",
    "danger": "Dangers: allowed, and with them people can be named",
    "warning": "Warnings: allowed, at a cost",
}


def _with_line(finding: Finding, lines: dict[KeyPath, int]) -> Finding:
    parts = re.findall(r"[^.\[\]]+|\[\d+\]", finding.column)
    path = tuple(int(part[1:-1]) if part.startswith("[") else part for part in parts)
    return replace(finding, line=line_of(path, lines))


def _texts(tree: Any, path: KeyPath = ()) -> Iterator[tuple[KeyPath, str]]:
    if isinstance(tree, str):
        yield path, tree
    elif isinstance(tree, dict):
        for key, value in tree.items():
            yield from _texts(value, (*path, key))
    elif isinstance(tree, tuple):
        for index, value in enumerate(tree):
            yield from _texts(value, (*path, index))


def _roles(agreement: Agreement) -> Iterator[Finding]:
    for index, party in enumerate(agreement.party):
        held = [role for role in party.roles if role in ("matcher", "key-issuer")]
        if len(held) == 2:
            yield Finding(
                f"'{party.id}' is both matcher and key issuer: {ONE_OFFICE}",
                "give the roles to two offices if you can",
                column=f"party[{index}].roles",
            )
        if held and "research" in party.roles:
            yield Finding(
                f"'{party.id}' gets the crosswalk and is also {' and '.join(held)}: it learns more than either",
                "keep research apart from the coordinator if you can",
                column=f"party[{index}].roles",
            )


def _scheme(agreement: Agreement) -> Iterator[Finding]:
    clk = agreement.encoding.clk
    if clk is None or not clk.xor_folds:
        return
    bits = [feature.bits_per_feature for feature in clk.features if feature.bits_per_feature]
    if sum(bits) < LEAST_FILLED * (clk.clk_bits << clk.xor_folds):
        yield Finding(
            FOLDED_SPARSE,
            "give features more bits, or draft with --profile privacy-first",
            column="encoding.clk.features",
        )
    if clk.xor_folds < FOLDS:
        yield Finding(
            f"record-level encodings can be attacked: {PLAIN_CLK}; {FOLDED}",
            f"fold {FOLDS} times; let the matcher hold no list of the people, and keep encodings for days",
            column="encoding.clk.xor_folds",
        )
    else:
        yield Finding(
            f"encodings that are folded {FOLDS} times lose links where records have several errors: {DIRTY_DATA}",
            "run 'pprl check' on the tables before all approve",
            column="encoding.clk.xor_folds",
        )


def _passes(agreement: Agreement) -> Iterator[Finding]:
    filters = agreement.encoding.field_filters
    if filters is None:
        return
    path = "encoding.field_filters"
    if not filters.one_person_a_block:
        yield Finding(
            f"the matcher can compare a table's own people inside a block: {WHOLE_BLOCKS}",
            "set it to true: one person's records then stand for each block",
            column=f"{path}.one_person_a_block",
        )
    elif not filters.join_at_home and any(each.may_have_duplicates for each in agreement.dataset):
        yield Finding(
            f"where people have several records, the matcher can compare those with each other: {SEVERAL_RECORDS}",
            "set it to true: departments then join a person's records themselves"
            if can_be_joined(agreement.kinds().values())
            else "it takes names and a date of birth: without them, agree on one record a person",
            column=f"{path}.join_at_home",
        )
    if len(filters.passes) < FEW_PASSES:
        yield Finding(
            f"only {len(filters.passes)} of them: a pair with a mistake in each is never compared",
            "agree more, on different identifiers",
            column=f"{path}.passes",
        )
    yield from _identifiers_in_every_pass(agreement, filters)
    for index, each in enumerate(filters.passes):
        if _tells_little(each, agreement.kinds()):
            yield Finding(
                f"pass '{each.name}' is of something that very many people share: most of its blocks are larger than "
                "max_block_records: one person of each is compared, or none, and a block is named by its size",
                "take it out, or add parts",
                column=f"{path}.passes[{index}]",
            )


def _identifiers_in_every_pass(agreement: Agreement, filters: FieldFilterParameters) -> Iterator[Finding]:
    used = [{part.partition(":")[0] for part in each.parts} for each in filters.passes]
    for name in agreement.kinds():
        if all(name in each for each in used):
            yield Finding(
                f"every pass needs '{name}': whoever lacks it, or whose it is wrong, is never found",
                "agree a pass without it",
                column="encoding.field_filters.passes",
            )


def _tells_little(each: AgreedPass, kinds: Mapping[str, Kind]) -> bool:
    """Whether all its parts are of such a kind, or it has but one and that is an initial or part of a date."""
    parts = list(each.blocking_pass().split_parts())
    if all(kinds[identifier] in TELL_LITTLE for identifier, _, _ in parts):
        return len({identifier for identifier, _, _ in parts}) < 3
    return len(parts) == 1 and parts[0][1] in PARTIAL


def _identifiers(agreement: Agreement) -> Iterator[Finding]:
    if len(agreement.identifier) < 3:
        yield Finding("fewer than 3 identifiers rarely tell people apart", column="identifier")
    for index, identifier in enumerate(agreement.identifier):
        having = [dataset for dataset in agreement.dataset if identifier.name in dataset.columns]
        if len(having) == 1 and not having[0].may_have_duplicates:
            yield Finding(
                f"only '{having[0].name}' has '{identifier.name}': there is nothing to compare it with",
                "take it out",
                column=f"identifier[{index}]",
            )
        elif len(having) == 1:
            yield Finding(
                f"only '{having[0].name}' has '{identifier.name}': it makes its encodings unlike the others'",
                "take it out, unless its own duplicates matter more",
                column=f"identifier[{index}]",
            )


def _datasets(agreement: Agreement) -> Iterator[Finding]:
    for index, dataset in enumerate(agreement.dataset):
        yield from _row_range(dataset, f"dataset[{index}]")
    least = max(2, agreement.encoding.min_identifiers)
    for (_, one), (index, other) in combinations(enumerate(agreement.dataset), 2):
        common = set(one.columns) & set(other.columns)
        if len(common) < least:
            yield Finding(
                f"'{one.name}' and '{other.name}' have {len(common)} identifiers in common, fewer than {least}",
                column=f"dataset[{index}].columns",
            )


def _row_range(dataset: Dataset, path: str) -> Iterator[Finding]:
    if dataset.expected_rows_max > WIDE_RANGE * dataset.expected_rows_min:
        yield Finding(
            f"the range is wider than 1 to {WIDE_RANGE}: it hardly refuses a file made to test for single people",
            "narrow it to what is expected",
            column=f"{path}.expected_rows_max",
        )
    if dataset.expected_rows_min < 100:
        yield Finding("so few rows could test for single people", column=f"{path}.expected_rows_min")


def _linkage(agreement: Agreement) -> Iterator[Finding]:
    if agreement.linkage.target_precision < 0.95:
        wrong = 1 / (1 - agreement.linkage.target_precision)
        yield Finding(f"one link in {wrong:.0f} may be wrong", column="linkage.target_precision")
    if agreement.linkage.threshold != "estimated":
        why = (
            FIXED_THRESHOLD
            if agreement.encoding.scheme == "clk"
            else "nothing then keeps to target_precision"
        )
        yield Finding(f"a fixed threshold: {why}", 'put "estimated"', column="linkage.threshold")


def _fill(agreement: Agreement) -> Iterator[Finding]:
    clk, most = agreement.encoding.clk, agreement.privacy.max_popcount_share
    if clk is None:
        return
    bits = [feature.bits_per_feature for feature in clk.features if feature.bits_per_feature is not None]
    if clk.xor_folds or len(bits) < len(clk.features):
        return
    share = 1 - math.exp(-sum(bits) / clk.clk_bits)
    if share > most - 0.05:
        yield Finding(
            f"a complete record sets about {share * 100:.0f} % of its bits: many would be refused",
            "lower the features' bits, or raise clk_bits",
            column="privacy.max_popcount_share",
        )


def _wildcards(agreement: Agreement) -> Iterator[Finding]:
    if agreement.privacy.max_popcount_share > FULL_ENOUGH_TO_MATCH_MANY:
        yield Finding(
            "encodings with so many of their bits set are alike to many people's",
            "lower it: complete records set about half",
            column="privacy.max_popcount_share",
        )


def _risk(agreement: Agreement) -> Iterator[Finding]:
    risk = agreement.privacy.risk
    if risk is None:
        yield Finding(
            "no limits on attackers: encodings leave, and are taken in, whoever could name the people in them",
            "add a section [privacy.risk], so that each department first attacks its own with 'pprl risk --sign'",
            column="privacy",
        )
        return
    for holder in agreement.holders():
        limit = risk.limit_of(holder)
        if limit > REVIEW_PER_10000:
            yield Finding(
                f"above {REVIEW_PER_10000}: {HOLDER_WORDS[holder]} may name up to {limit:,} of 10,000 people; "
                f"somebody should look at the figures twice, and above {REFUSE_PER_10000} an officer answers by name",
                column=f"privacy.risk.{limit_key(holder)}",
            )
    yield from _exceptions(agreement, high=False)


def _exceptions(agreement: Agreement, *, high: bool) -> Iterator[Finding]:
    """What officers accept: high is what nobody may accept without a name."""
    for index, each in enumerate(agreement.privacy.risk.exception if agreement.privacy.risk else ()):
        if (each.per_10000 > REFUSE_PER_10000) == high:
            yield Finding(
                f"{each.officer} accepts that {HOLDER_WORDS[each.holder]} may name up to {each.per_10000:,} of 10,000 "
                "people",
                "ask why, and whether another profile would do",
                column=f"privacy.risk.exception[{index}]",
            )


def _release(agreement: Agreement) -> Iterator[Finding]:
    release = agreement.release
    if release.linkage_keys == "per-person" and any(each.may_have_duplicates for each in agreement.dataset):
        yield Finding(
            "a department learns which of its own records were linked, as those that resemble each other share a key",
            'put "per-record" if it need not know',
            column="release.linkage_keys",
        )
    yield from _kept_keys(agreement)
    if release.min_linked_people < 10:
        yield Finding(
            "so small a result says much about each person in it", column="release.min_linked_people"
        )
    if release.small_number_limit < 5:
        yield Finding("so small a count may be about one person", column="release.small_number_limit")
    yield from _groups(agreement)


def _kept_keys(agreement: Agreement) -> Iterator[Finding]:
    if not agreement.release.keep_linkage_keys:
        return
    yield Finding(
        "records keep their linkage keys from version to version: the key issuer can tell which records of two "
        "versions are one, and whoever gets results of each can put together what is known under a key over the years",
        "take it out if each version's results are used alone",
        column="release.keep_linkage_keys",
    )
    for index, dataset in enumerate(agreement.dataset):
        if dataset.record_id_column is None:
            yield Finding(
                f"'{dataset.name}' has no record ids, so its records can't keep their linkage keys",
                "name a column whose values stay the same from year to year",
                column=f"dataset[{index}]",
            )


def _groups(agreement: Agreement) -> Iterator[Finding]:
    kinds = agreement.kinds()
    for index, grouping in enumerate(agreement.release.rates_by):
        for dataset in agreement.dataset:
            if not can_be_grouped(grouping, {kinds[name] for name in dataset.columns}):
                yield Finding(
                    f"'{dataset.name}' has no identifier that tells it: all its people will be of group 'unknown'",
                    column=f"release.rates_by[{index}]",
                )


def _times(agreement: Agreement) -> Iterator[Finding]:
    if agreement.dpia.expires < agreement.project.valid_until:
        yield Finding("the DPIA expires before the agreement does", column="dpia.expires")
    for name in ("encodings_days", "references_days", "pairs_days"):
        if getattr(agreement.retention, name) > LONG_RETENTION_DAYS:
            yield Finding("long for something that is needed for one run", column=f"retention.{name}")


def _approvals(agreement: Agreement) -> Iterator[Finding]:
    party_of: dict[str, str] = {}
    for index, approval in enumerate(agreement.approval):
        if party_of.setdefault(approval.officer.casefold(), approval.party) != approval.party:
            yield Finding(
                "one officer approves for two parties: nobody then checks the other",
                column=f"approval[{index}].officer",
            )


_WARNINGS: tuple[Callable[[Agreement], Iterator[Finding]], ...] = (
    _roles,
    _scheme,
    _passes,
    _identifiers,
    _datasets,
    _linkage,
    _fill,
    _wildcards,
    _risk,
    _release,
    _times,
    _approvals,
)
