"""An agreement in plain English, for a data officer or an auditor.

What is said follows from the agreement's fields alone, so two people with the same file read the same text.
Where the software can't keep a promise by itself, it says so.
"""

from __future__ import annotations

import textwrap
from collections.abc import Iterator, Sequence
from datetime import date, timedelta
from typing import Literal

from pprl.agreements import measured
from pprl.agreements.check import HOLDER_WORDS, dangers, open_ends, warnings
from pprl.crypto.identity import fingerprint
from pprl.crypto.words import words
from pprl.protocol.agreement import (
    AgreedPass,
    Agreement,
    AgreementFile,
    ClkFeature,
    ClkParameters,
    Dataset,
    FieldFilterParameters,
    Linkage,
    Party,
    Release,
    Risk,
    not_answered_for,
    not_filled_in,
    out_of_time,
)
from pprl.protocol.field_layout import field_layout
from pprl.protocol.groups import Grouping
from pprl.protocol.kinds import Kind
from pprl.protocol.profiles import FOLDS, Profile

Audience = Literal["officer", "auditor"]

WIDTH = 80

KIND_WORDS: dict[Kind, str] = {
    "given-name": "given name",
    "middle-names": "middle names",
    "surname": "surname",
    "full-name": "full name",
    "date-of-birth": "date of birth",
    "year-of-birth": "year of birth",
    "sex": "sex",
    "postcode": "postcode",
    "address-line": "line of an address",
    "place": "place",
    "free-text": "free text",
    "number": "personal number",
    "code": "code",
}


TRANSFORM_WORDS: dict[str, str] = {
    "whole": "",
    "initial": "first letter of ",
    "last-four": "last four characters of ",
    "first-word": "first word of ",
    "last-word": "last word of ",
    "phonetic": "sound of ",
    "phonetic-last": "sound of the last word of ",
    "canonical": "usual form of ",
    "canonical-phonetic": "sound of the usual form of ",
    "house": "house number and street in ",
    "year": "year in ",
    "year-month": "year and month in ",
    "month-day": "day and month in ",
    "unordered-month-day": "day and month (either way round) in ",
    "district": "district of ",
    "sector": "sector of ",
}


def explain(file: AgreementFile, *, audience: Audience, today: date) -> str:
    """Say what an agreement means. Anybody runs it, before approving.

    Args:
        file: a parsed agreement.
        audience: `officer` for the one who answers for a department's data; `auditor` adds the law, the
            parameters, the approvals and the cost of each choice.
        today: the day on which it is read.

    Returns:
        Text of at most 80 columns, with a numbered heading for each section.
    """
    agreement = file.content
    sections = [
        ("What this is for", _purposes(agreement)),
        ("What leaves the building", _what_leaves(agreement)),
        ("What never leaves the building", _what_stays(agreement)),
        ("Who learns what", _who_learns(agreement)),
        ("What this does not protect against", _limits(agreement)),
        ("How it is decided that records belong to one person", _decisions(agreement)),
        ("What comes back", _results(agreement)),
        ("How long things are kept", _retention(agreement, today)),
        ("What the software refuses by itself", _refusals(agreement)),
        ("What is only promised", _promises(agreement)),
    ]
    if audience == "auditor":
        sections += [
            ("The law that each department relies on", _law(agreement)),
            ("The parties and their keys", _parties(agreement)),
            ("How identifiers become encodings", _parameters(agreement)),
            ("What the choices cost", _costs(agreement)),
            ("Who approved", _approvals(agreement)),
            ("How to check this yourself", _own_checks(file)),
        ]
    sections.append(("What is left before it can run", _left(agreement, today)))
    numbered = (_section(number, *section) for number, section in enumerate(sections, start=1))
    return "\n\n".join([_opening(file, today), *numbered]) + "\n"


def _section(number: int, heading: str, blocks: Iterator[str]) -> str:
    title = f"{number}. {heading}"
    return "\n".join([title, "-" * len(title), "", "\n".join(blocks)])


def _say(text: str) -> str:
    return textwrap.fill(text, WIDTH, break_on_hyphens=False)


def _item(text: str, *, depth: int = 0) -> str:
    indent = "  " * depth
    return textwrap.fill(
        text, WIDTH, initial_indent=f"{indent}- ", subsequent_indent=f"{indent}  ", break_on_hyphens=False
    )


def _listed(words: Sequence[str]) -> str:
    return words[0] if len(words) == 1 else f"{', '.join(words[:-1])} and {words[-1]}"


def _percent(share: float) -> str:
    return f"{round(share * 100, 4):g} %"


def _day(day: date) -> str:
    return f"{day.day} {day:%B %Y}"


def _opening(file: AgreementFile, today: date) -> str:
    project = file.content.project
    late = [*out_of_time(file.content, today=today)]
    left = [*not_filled_in(file.content), *not_answered_for(file.content), *open_ends(file.content)]
    if late:
        status = f"It can't be used today ({_day(today)}): see the last section."
    elif left:
        status = f"Today ({_day(today)}) it can be rehearsed, not run: {len(left)} things are left to do."
    else:
        status = f"Today ({_day(today)}) it is in force and complete."
    force = f"In force from {_day(project.valid_from)} to {_day(project.valid_until)}. {status}"
    name = f"Agreement '{project.id}', version {project.version}. SHA-256 of the file, and the same in words:"
    spelt = words(bytes.fromhex(file.sha256))
    return "\n".join([_say(project.title), "", _say(name), file.sha256, _say(spelt), "", _say(force)])


def _purposes(agreement: Agreement) -> Iterator[str]:
    brings = [f"{agreement.party_named(each.party).name} brings '{each.name}'" for each in agreement.dataset]
    yield _say(
        f"Records about the same people are linked without showing anybody who they are. {_listed(brings)}."
    )
    yield ""
    yield _say("The result may be used for:")
    yield from (_item(purpose) for purpose in agreement.project.purposes_permitted)
    yield _say("It must not be used for:")
    yield from (_item(purpose) for purpose in agreement.project.purposes_forbidden)


def _what_leaves(agreement: Agreement) -> Iterator[str]:
    matcher, issuer = agreement.party_with("matcher"), agreement.party_with("key-issuer")
    for dataset in agreement.dataset:
        yield from _dataset_leaves(agreement, dataset)
    yield _say("Why each is needed:")
    for identifier in agreement.identifier:
        yield _item(f"{identifier.name} ({KIND_WORDS[identifier.kind]}): {identifier.why}")
    yield ""
    if agreement.encoding.field_filters is None:
        yield from _clk_leaves(agreement.encoding.clk_parameters, matcher.name, issuer.name)
    else:
        yield from _field_filters_leave(
            agreement, agreement.encoding.field_filters, matcher.name, issuer.name
        )


def _clk_leaves(clk: ClkParameters, matcher: str, issuer: str) -> Iterator[str]:
    yield _say(
        f"For each record one encoding leaves: {clk.clk_bits} bits, computed from the columns above under the "
        "departments' linkage secret, without which nobody can compute or test one. It goes, sealed, "
        f"to the matcher ({matcher}). The key issuer ({issuer}) gets, sealed, random numbers that stand "
        "for the records. Both learn how many records there are."
    )
    if clk.match_keys:
        yield from _match_keys_leave(clk)
    yield _say(
        "Records leave in a fresh random order, under references made for this run alone. An encoding is still "
        "personal data, and must be guarded as such."
    )


def _match_keys_leave(clk: ClkParameters) -> Iterator[str]:
    yield _say(
        f"With each encoding go {len(clk.match_keys)} tags of 128 bits, one for each match key below, computed under "
        "the same secret. Two records of two tables with one tag agree on all that is named. Where a record lacks some "
        "of it, or another record of its table agrees with it on all, random bytes stand instead, and nobody can tell:"
    )
    for each in clk.match_keys:
        yield _item(f"{each.name}: same {_listed(_parts(each))}.")
    yield _say(
        "The key issuer is told how many pairs of the table's own records agree on all of a match key: a count, which "
        "names no record."
    )


def _field_filters_leave(
    agreement: Agreement, parameters: FieldFilterParameters, matcher: str, issuer: str
) -> Iterator[str]:
    yield _say(
        f"To the matcher ({matcher}) go, sealed, {len(parameters.passes)} lists, one for each pass below. In a pass, "
        "records that agree on all that is named form a block, and only records of one block are ever compared. Of "
        "each record that has a block, the list holds:"
    )
    yield from _list_holds(agreement, parameters)
    yield _say(
        "Tags and filters are computed under the departments' linkage secret, without which nobody can compute "
        "or test one. The passes:"
    )
    for each in parameters.passes:
        yield _item(f"{each.name}: same {_listed(_parts(each))}.")
    yield from _left_at_home(agreement, parameters)
    yield _say(
        f"The key issuer ({issuer}) gets, sealed, which references stand for one record, and no tag or filter; and of "
        "all pairs of the table's own records that share a block, how many are alike in which way: counts, which name "
        "no record. Both learn how many records there are. Each list leaves in a random order of its own, under "
        "references made for this run alone. Encodings are still personal data, and must be guarded as such."
    )


def _list_holds(agreement: Agreement, parameters: FieldFilterParameters) -> Iterator[str]:
    yield _item("a random reference, different in every pass;")
    yield _item("a tag of its block: 128 bits that are the same for all records of the block;")
    yield _item("which of its identifiers are there;")
    yield _item(
        f"for each identifier a filter of {parameters.filter_bits} bits, salted by the block, so that a name looks "
        "different in every block. A second filter of the given name's usual form (Liz as Elizabeth) goes with them."
        if field_layout(list(agreement.kinds().values())).canonical >= 0
        else f"for each identifier a filter of {parameters.filter_bits} bits, salted by the block, so that a value "
        "looks different in every block."
    )


def _left_at_home(agreement: Agreement, parameters: FieldFilterParameters) -> Iterator[str]:
    """Which records are not sent, and what is told of them."""
    if parameters.one_person_a_block:
        yield _say(
            "Of each block of a table one person's records are sent and no others, so that nobody outside can compare "
            "a table's own people with each other. Keyed digests of the records decide who it is, so that two "
            "departments tend to choose the same. Everybody gets a linkage key all the same."
        )
    yield _say(
        f"A block of more than {parameters.max_block_records:,} records of one "
        f"{'person' if parameters.one_person_a_block else 'table'} is left out of that pass. With "
        "the lists go two sorts of counts: how many records were left out of each pass, and how alike random pairs "
        "of the table's own records are, identifier by identifier."
    )
    if any(dataset.may_have_duplicates for dataset in agreement.dataset):
        yield _say(
            "Where a table may hold a person more than once, records that are equal in every identifier, with names, "
            "date of birth and one more among them, are encoded once. The key issuer is told which records equal which."
        )
        yield from _joining(parameters)


def _joining(parameters: FieldFilterParameters) -> Iterator[str]:
    if parameters.join_at_home and parameters.one_person_a_block:
        yield _say(
            "In such a table a department also joins its own records that fixed rules take for one person's: those "
            "with one name and date of birth, where hardly any stranger would have both, or with one name, postcode "
            "and a part of the date or none. Some namesakes with one birthday, and some twins, are taken for one "
            "person by them; pprl check tells each department how many to expect at least. One of them is sent in each "
            "pass, and what is linked to it is linked to all. So nobody outside can compare a person's records with "
            "each other. The key issuer is told which records are joined."
        )
    elif parameters.one_person_a_block:
        yield _say(
            "A person's other records are sent with the first, and how they differ is as good as a name to whoever "
            f"holds the same table: {measured.SEVERAL_RECORDS}. With join_at_home departments would join them first."
        )


def _parts(each: AgreedPass) -> list[str]:
    """A pass's parts in words: 'sound of surname'."""
    split = list(each.blocking_pass().split_parts())
    loose = [f"{TRANSFORM_WORDS[transform]}{name}" for name, transform, unordered in split if unordered]
    fixed = [f"{TRANSFORM_WORDS[transform]}{name}" for name, transform, unordered in split if not unordered]
    return ([f"{_listed(loose)} (either way round)"] if loose else []) + fixed


def _dataset_leaves(agreement: Agreement, dataset: Dataset) -> Iterator[str]:
    party = agreement.party_named(dataset.party)
    yield _say(f"From {party.name}, table '{dataset.name}': {dataset.description}")
    release = agreement.release
    but = ", but for what is told below" if release.rates_by else ""
    yield _item(f"These columns are read, and leave only inside encodings{but}:")
    for identifier in agreement.identifier:
        if identifier.name in dataset.columns:
            yield _item(f"{dataset.columns[identifier.name]}, as {identifier.name}", depth=1)
    lacking = [each.name for each in agreement.identifier if each.name not in dataset.columns]
    if lacking:
        yield _item(f"It has no {_listed(lacking)}: these count as missing.")
    if any(each.kind == "date-of-birth" and each.name in dataset.columns for each in agreement.identifier):
        yield _item(f"Dates like 3/4/1980 are read as {dataset.date_order.replace('-', ', ')}.")
    if release.rates_by and release.crosswalk_to:
        yield _item(
            f"After the run, each linkage key goes to {agreement.party_named(release.crosswalk_to).name} with its "
            f"{_groupings(release)}, so that linkage rates can be told by them."
        )
    yield _item(f"From {dataset.expected_rows_min:,} to {dataset.expected_rows_max:,} records are expected.")
    yield ""


def _what_stays(agreement: Agreement) -> Iterator[str]:
    but = "; the groups told there are all that anybody gets of them" if agreement.release.rates_by else ""
    yield _item(f"Names, dates and every other value as it stands in the columns above{but}.")
    yield _item("Every column that is not listed above: the software does not read it.")
    for dataset in agreement.dataset:
        if dataset.record_id_column:
            yield _item(
                f"The record ids of '{dataset.name}' (column {dataset.record_id_column}). They are read to tell "
                "the department which linkage key is for which record, and stay in its own map."
            )
        else:
            yield _item(f"The row numbers of '{dataset.name}', by which its department knows its records.")
    yield _item("The linkage secret: the key that all departments share. No coordinator ever has it.")
    yield _item("The order in which records stand in the table.")


def _who_learns(agreement: Agreement) -> Iterator[str]:
    for party in agreement.party:
        yield _say(f"{party.name} ({party.id}):")
        both = {"matcher", "key-issuer"} <= set(party.roles)
        if both:
            yield from (_item(text) for text in _both_learn(agreement))
        for role in party.roles:
            if not (both and role in ("matcher", "key-issuer")):
                yield from (_item(text) for text in _ROLE_LEARNS[role](agreement))
    if agreement.release.crosswalk_to is None:
        issuer = agreement.party_with("key-issuer")
        yield _say(
            f"Nobody gets a crosswalk: no party but the key issuer ({issuer.name}) can tell which keys of two "
            "departments are one person's."
        )


def _department_learns(agreement: Agreement) -> Iterator[str]:
    yield "Has its own records and the linkage secret, and gets a linkage key for each of its records."
    if not any(dataset.may_have_duplicates for dataset in agreement.dataset):
        yield "Does not learn which of its own records resemble each other: none are linked, and each has its own key."
    elif agreement.release.linkage_keys == "per-person":
        yield (
            "Learns which of its own records resemble each other enough to be linked, as they share a key, in tables "
            "where a person may have several. No other department's record makes two of them share one."
        )
    else:
        yield "Does not learn which of its own records were linked to each other: each has a key of its own."
    yield "Is not told which of its people any other department knows: matched or not, all get keys alike."


def _matcher_learns(agreement: Agreement) -> Iterator[str]:
    if agreement.encoding.field_filters is not None:
        yield "Gets all encodings; learns for each pass how large blocks are, and which records of a block are alike."
        yield (
            "Can't tell which record of one pass is which in another, nor compare records of two blocks: what a name "
            "looks like in one block says nothing about it in the next."
        )
        yield "Never sees names, other values, record ids, linkage keys or the linkage secret."
        return
    yield "Gets all encodings, under random references, and learns which are alike and how many there are."
    if agreement.encoding.clk_parameters.match_keys:
        yield "Learns which records of two tables share a match key; nothing of one table: no tag stands twice in it."
    yield "Never sees names, other values, record ids, linkage keys or the linkage secret."


def _issuer_learns(agreement: Agreement) -> Iterator[str]:
    yield from _issuer_learns_of_earlier_keys(agreement)
    if agreement.encoding.field_filters is not None:
        yield (
            "Gets, from the matcher, pairs of references that may be one person, each with how alike the two are, "
            "identifier by identifier; and learns from departments which references stand for one record, and how many "
            "pairs of each department's own records are alike in which way."
        )
        yield "Learns so which records belong to one person, and issues the linkage keys."
        yield "Never sees names, other values, record ids, block tags, filters or the linkage secret."
        return
    yield "Learns which random numbers belong to one person, how alike they are, and issues the linkage keys."
    yield "Never sees names, other values, record ids, encodings or the linkage secret."


def _issuer_learns_of_earlier_keys(agreement: Agreement) -> Iterator[str]:
    if agreement.release.keep_linkage_keys:
        yield (
            "Gets, with each record that had one, its linkage key of an earlier version, so that it can tell which "
            "records of two versions are one. Keeps a project key, by which it knows the keys that it made."
        )


def _both_learn(agreement: Agreement) -> Iterator[str]:
    yield from _issuer_learns_of_earlier_keys(agreement)
    yield "Gets all encodings, learns which records belong to one person, and issues the linkage keys."
    yield (
        "Holds both coordinator roles, so it can put together which encoding was linked to which, and which keys "
        "they got. Section 5 tells what that costs."
    )
    yield "Never sees names, other values, record ids or the linkage secret."


def _research_learns(agreement: Agreement) -> Iterator[str]:
    yield "Gets the crosswalk: which linkage keys, of all departments, belong to one person."
    if agreement.release.keep_linkage_keys:
        yield (
            "Can join this version's crosswalk with those of other versions that it still has, by the keys that are "
            "kept; a key that is no longer there was withdrawn, or is linked to nobody now."
        )
    if agreement.release.rates_by:
        yield (
            f"Gets, from each department, every linkage key with its {_groupings(agreement.release)}, linked or not, "
            "and tells from them how many of each group were linked."
        )
    yield (
        "Never sees names, encodings or record ids from this software. Whatever departments send it under these "
        "keys, it can join."
    )


def _auditor_learns(agreement: Agreement) -> Iterator[str]:
    yield (
        "Reads this agreement and the signed files' headers. Sees no record and no key, and no count below "
        f"{agreement.release.small_number_limit}."
    )


_ROLE_LEARNS = {
    "department": _department_learns,
    "matcher": _matcher_learns,
    "key-issuer": _issuer_learns,
    "research": _research_learns,
    "auditor": _auditor_learns,
}


def _limits(agreement: Agreement) -> Iterator[str]:
    yield _item(
        f"A department that gives the linkage secret to whoever holds encodings. Secret and encodings together are "
        f"names: {measured.WITH_THE_KEY}. No scheme of this sort survives that; only people can prevent it."
    )
    if agreement.encoding.field_filters is None:
        yield from _limits_of_clk(agreement, agreement.encoding.clk_parameters.xor_folds)
    else:
        one_person = agreement.encoding.field_filters.one_person_a_block
        yield from _limits_of_field_filters(agreement, one_person=one_person)
    yield _item(
        "Records planted to test for a person. Row ranges and one file for each table make that harder."
    )
    yield _item("What is done with a result by those who lawfully have it.")
    yield _say(
        "The figures come from generated people of England and Wales. They say what certain "
        "attacks did, not what none can do."
    )


def _limits_of_clk(agreement: Agreement, folds: int) -> Iterator[str]:
    yield _item(f"A matcher who turns attacker. {_plain_clks(folds)}")
    holder = agreement.party_with("matcher")
    if holder == agreement.party_with("key-issuer"):
        yield _item(
            f"{holder.name} alone holds both coordinator roles. What that costs: {measured.ONE_OFFICE}. Split, "
            f"the roles do more: {measured.SPLIT_ROLES}. (Both figures are for the scheme of many passes; with "
            "this one the matcher's share alone is as above, and the split keeps results from it.)"
        )
    else:
        yield _item(
            "The matcher and the key issuer putting together what they hold. They are two parties here, so that "
            f"it takes both. What that would give away: {measured.ONE_OFFICE}."
        )


def _limits_of_field_filters(agreement: Agreement, *, one_person: bool) -> Iterator[str]:
    holder = agreement.party_with("matcher")
    shown = measured.SPLIT_ROLES if one_person else measured.WHOLE_BLOCKS
    if holder == agreement.party_with("key-issuer"):
        yield _item(
            f"{holder.name}, which alone holds both coordinator roles and so sees which records of all passes are one. "
            f"What that costs: {measured.ONE_OFFICE}. Split, the roles do more: {shown}."
        )
    else:
        yield _item(
            "A matcher who turns attacker and holds a list of the people. Missing identifiers, and how alike records "
            f"of one block are, are left to it: {shown}. Numbers of bits do not tell how long names are."
        )
        yield _item(
            "The matcher and the key issuer putting together what they hold. They are two parties here, so that "
            f"it takes both. What that would give away: {measured.ONE_OFFICE}."
        )


def _plain_clks(folds: int) -> str:
    said = f"With the scheme used here, {measured.PLAIN_CLK}."
    if not folds:
        return f"With the scheme used here, {measured.NOBODY_RECOGNISED}; {measured.PLAIN_CLK}."
    if folds < FOLDS:
        return f"{said} (It folds encodings {folds} times; {measured.FOLDED}.)"
    return f"{said} Here encodings are folded {folds} times: {measured.FOLDED}."


def _decisions(agreement: Agreement) -> Iterator[str]:
    linkage, least = agreement.linkage, agreement.encoding.min_identifiers
    yield _item(
        f"Of the links that are made, {_percent(linkage.target_precision)} or more should be right. So some links will "
        "be wrong and some people will be missed: no result about one person may rest on it."
    )
    if agreement.encoding.clk is not None and agreement.encoding.clk.match_keys:
        yield _item(
            "Records of two tables that share a match key are linked first. A shared key is no proof: how often two "
            "people share one is counted in each table where a person has one record. Where so many would be wrong "
            "that the share above is not reached, match keys don't count."
        )
    if agreement.encoding.scheme == "field-filters":
        yield from _field_filter_decisions(linkage)
    elif linkage.threshold == "estimated":
        yield _item(
            "How alike two encodings must be is estimated from the encodings themselves. Nobody tunes it."
        )
        yield from _sureness(linkage)
    else:
        yield _item(
            f"Two encodings must be alike to {linkage.threshold:g} of 1 (Dice); {measured.FIXED_THRESHOLD}."
        )
    yield _item(
        f"A record with fewer than {least} of its identifiers present is not compared. It still gets a key."
    )
    if agreement.encoding.invalid_values == "missing":
        yield _item("A value that breaks its rule, such as a date that never was, counts as missing.")
    else:
        yield _item("A file with a value that breaks its rule, such as a date that never was, is refused.")
    for dataset in agreement.dataset:
        several = "may have several records" if dataset.may_have_duplicates else "has one record at most"
        yield _item(f"In '{dataset.name}' a person {several}.")


def _field_filter_decisions(linkage: Linkage) -> Iterator[str]:
    yield _item(
        "Of each pair in a block, it is noted how alike each identifier is, in steps from equal to different. How "
        "much each step says is estimated from the encodings themselves, and nobody tunes it: what pairs of different "
        "people look like, from random pairs and from pairs inside tables where a person has one record at most, so "
        "that family members and namesakes are not taken for one person."
    )
    if linkage.threshold == "estimated":
        yield _item("How probable a link must be follows from that share. Nobody tunes it either.")
        yield from _sureness(linkage)
    else:
        yield _item(
            f"A pair is linked if it is one person with probability {linkage.threshold:g} or more, whatever the share."
        )


def _sureness(linkage: Linkage) -> Iterator[str]:
    yield _item(
        "How many links are right is estimated with an interval that should hold the true share in 95 of 100 "
        f"linkages, and its lower end must be {_percent(linkage.target_precision)} or more. Where no threshold gives "
        "that, nothing is released."
    )
    if linkage.cost_ratio is not None:
        yield _item(f"Beyond that, a wrong link counts as much as {linkage.cost_ratio:g} missed ones.")


def _results(agreement: Agreement) -> Iterator[str]:
    release = agreement.release
    yield _item(
        "Every record gets a linkage key, linked or not, so that a key tells nobody whether it was linked."
    )
    yield _item(_keys_of_a_person(agreement))
    yield _item("Keys are random and differ from party to party: two departments can't join theirs.")
    yield _item(_keys_from_version_to_version(agreement))
    if release.crosswalk_to:
        yield _item(
            f"Only {agreement.party_named(release.crosswalk_to).name} gets the crosswalk that joins them."
        )
    else:
        yield _item("Nobody gets a crosswalk: the result is the keys and the counts in the report.")
    yield _item(f"Nothing is released if fewer than {release.min_linked_people:,} people were linked.")
    if release.min_overlap is not None:
        yield _item(
            f"Nothing is released if two datasets share fewer than {_percent(release.min_overlap)} of the people "
            "in the smaller one."
        )
    yield _item(f"Counts below {release.small_number_limit} are shown to nobody but the coordinator.")
    yield from (_item(text) for text in _rates(release))
    yield _item("How alike two records were never leaves the coordinator.")


def _keys_of_a_person(agreement: Agreement) -> str:
    if not any(dataset.may_have_duplicates for dataset in agreement.dataset):
        return "Every record has a key of its own, as a person has one record at most in each table."
    if agreement.release.linkage_keys == "per-record":
        return "Every record has a key of its own, even where a person has several."
    return (
        "A department's records of one person share a key, where its table may hold a person more than once and they "
        "resemble each other enough by themselves."
    )


def _keys_from_version_to_version(agreement: Agreement) -> str:
    if not agreement.release.keep_linkage_keys:
        return (
            "A later version of this project makes new keys for all records: nobody can tell from keys which records "
            "of two versions are one."
        )
    return (
        "In a later version of this project a record keeps the key that it had, if its department asks for it by "
        "sending that key along. A withdrawn record is no longer sent, and its key is in no later result. What that "
        "costs: the key issuer can tell which records of two versions are one, and what is known under a key grows "
        "from year to year. Keys of another project can't be joined with these."
    )


def _rates(release: Release) -> Iterator[str]:
    if not release.rates_by:
        yield "Linkage rates by group are not asked for: nobody learns whether some groups were linked less often."
        return
    yield (
        f"Linkage rates are told by {_groupings(release)}, one at a time: in the research environment, as only there "
        "who matched and who is who may meet."
    )
    yield (
        f"No rate is shown of a group with fewer than {release.small_number_limit} people linked or as few not "
        "linked, nor what would give it away by subtraction; counts are rounded to the nearest 5."
    )


_GROUPING_WORDS: dict[Grouping, str] = {
    "sex": "sex",
    "decade-of-birth": "decade of birth",
    "completeness": "number of missing identifiers",
}


def _groupings(release: Release) -> str:
    return _listed([_GROUPING_WORDS[grouping] for grouping in release.rates_by])


def _retention(agreement: Agreement, today: date) -> Iterator[str]:
    kept = agreement.retention
    matcher, issuer = agreement.party_with("matcher"), agreement.party_with("key-issuer")
    both = matcher.name if matcher == issuer else f"{matcher.name} and {issuer.name}"
    yield _say(
        "Counted from the day on which the agreement is registered with the coordinator. In brackets, the last day "
        f"if that were today, {_day(today)}:"
    )
    for what, holder, days in (
        ("Encodings", matcher.name, kept.encodings_days),
        ("References", issuer.name, kept.references_days),
        ("Pairs found alike", both, kept.pairs_days),
        ("Linkage keys", issuer.name, kept.linkage_keys_days),
        ("The map from keys to its own records", "each department", kept.home_map_days),
    ):
        yield _item(f"{what}, at {holder}: {days} days ({_day(today + timedelta(days=days))}).")
    if agreement.release.keep_linkage_keys:
        yield _item(
            f"The project key, at {issuer.name}: from version to version, until the project ends. If it is lost, all "
            "records get new linkage keys."
        )
    latest = agreement.project.valid_until
    yield _say(
        f"Registered on the last day in force, {_day(latest)}, encodings would be kept to "
        f"{_day(latest + timedelta(days=kept.encodings_days))} at the latest."
    )
    yield _say("This version does not delete by itself: the parties named do, and answer for it.")


def _refusals(agreement: Agreement) -> Iterator[str]:
    project = agreement.project
    yield _item(
        f"Any step but opening results, before {_day(project.valid_from)} or after {_day(project.valid_until)}."
    )
    yield _item(f"The same after {_day(agreement.dpia.expires)}, when the impact assessment expires.")
    yield _item("A run while a party's public keys or approval are missing, or an approval is dated ahead.")
    yield _item("Files made under an agreement that differs from this one in a single byte.")
    yield _item("Files from anybody but the party that the agreement names, or sealed to anybody else.")
    yield _item("A department that is also matcher, key issuer or research environment.")
    if agreement.release.keep_linkage_keys:
        yield _item("An earlier linkage key that was not made for the same table of this project.")
    for dataset in agreement.dataset:
        low, high = f"{dataset.expected_rows_min:,}", f"{dataset.expected_rows_max:,}"
        yield _item(
            f"A file for '{dataset.name}' of fewer than {low} or more than {high} records, or a second one."
        )
    yield from _encodings_refused(agreement)
    yield from _releases_refused(agreement)


def _encodings_refused(agreement: Agreement) -> Iterator[str]:
    share = agreement.privacy.max_popcount_share
    yield _item(
        f"Encodings with more than {_percent(share)} of their bits set, which could be made to match everybody."
        if agreement.encoding.scheme == "clk"
        else f"Records with more than {_percent(share)} of the bits of their filters set, all filters of a pass "
        "together, as they could be made to match everybody."
    )
    if agreement.privacy.visible_structure == "refuse":
        yield _item(
            "Encodings that do not look like random bits: structure that can be seen can be attacked."
        )
    if agreement.privacy.risk is not None:
        yield from _risk_refusals(agreement, agreement.privacy.risk)
    if agreement.encoding.invalid_values == "refuse":
        yield _item(
            "A file with values that break their rules; it tells row, column and rule, never the value."
        )


def _releases_refused(agreement: Agreement) -> Iterator[str]:
    release = agreement.release
    yield _item(f"A release with fewer than {release.min_linked_people:,} people linked.")
    if release.min_overlap is not None:
        yield _item(
            f"A release where two datasets share fewer than {_percent(release.min_overlap)} of the people in the "
            "smaller one."
        )
    if agreement.linkage.threshold == "estimated":
        yield _item("A release of links of which too few are surely right.")
    watched = agreement.log
    yield _item(
        f"A release, or a result that is opened, before {watched.quorum} of the witnesses "
        f"({_listed(watched.witnesses)}) have signed that the key issuer's log holds it."
    )
    yield _item(f"A crosswalk to anybody{f' but {release.crosswalk_to}' if release.crosswalk_to else ''}.")


def _risk_refusals(agreement: Agreement, risk: Risk) -> Iterator[str]:
    yield _item(
        f"Encodings that their department has not attacked itself, up to {risk.people:,} records of a table, with a "
        "signed statement of whom the attackers named. They are refused if one who recognises up to "
        f"{risk.known_people:,} people beforehand, and has no linkage secret, may name more of 10,000 than this (upper "
        "end of a 95 % interval):"
    )
    for holder in agreement.holders():
        exception = risk.exception_of(holder)
        limit = f"{HOLDER_WORDS[holder]}: {risk.limit_of(holder):,}"
        if exception is None:
            yield _item(f"{limit}.", depth=1)
        else:
            yield _item(
                f"{limit}; here up to {exception.per_10000:,}, which {exception.officer} ({exception.post}) accepts: "
                f"{exception.reason}",
                depth=1,
            )
    yield _item("The figures say which attacks failed. They don't say that none can succeed.", depth=1)


def _promises(agreement: Agreement) -> Iterator[str]:
    yield _item("That the result is used for the permitted purposes alone.")
    yield _item("That the law named by each department allows it. The software can't judge that.")
    yield _item("That files hold what the agreement says, and nobody plants records in them.")
    yield _item("That departments guard the linkage secret, and give it to nobody outside the departments.")
    yield _item("That the matcher's staff and systems hold no list of the people concerned.")
    if agreement.privacy.risk is None:
        yield _item(
            "That departments have looked whom somebody could name in their encodings ('pprl risk'). No limits are "
            "agreed: nothing asks for it, and nothing is refused for it."
        )
    yield _item("That everything is deleted on time, backups included.")
    watched = agreement.log
    yield _item(
        f"That of the witnesses of the coordinator's logs ({_listed(watched.witnesses)}) too few collude with it "
        f"to sign two histories: {watched.quorum} of {len(watched.witnesses)} must sign each."
    )


def _law(agreement: Agreement) -> Iterator[str]:
    yield _item(f"Impact assessment: {agreement.dpia.reference}; expires on {_day(agreement.dpia.expires)}.")
    for dataset in agreement.dataset:
        yield _item(f"'{dataset.name}' of {dataset.party}. Gateway: {dataset.legal_gateway}")
        yield _item(f"Regime: {dataset.legal_regime}", depth=1)


def _parties(agreement: Agreement) -> Iterator[str]:
    for party in agreement.party:
        yield _item(
            f"{party.id}: {party.name}, {party.contact}. {_listed(party.roles)}. {_keys(party, agreement)}"
        )
    yield _say("Compare each party's fingerprint with that party, by telephone or in person.")


def _keys(party: Party, agreement: Agreement) -> str:
    if party.keys is None:
        return "No public keys yet." if agreement.has_work(party) else "Needs no keys to read."
    return f"Public keys are in, with this fingerprint: {fingerprint(party.keys)}."


_PROFILE_WORDS: dict[Profile, str] = {
    "accuracy-first": "filters within blocks, matcher and key issuer in two hands",
    "privacy-first": "encodings folded three times, with as many bits whatever a value's length",
    "clkhash-compatible": "plain encodings as existing deployments of clkhash make them",
}


def _parameters(agreement: Agreement) -> Iterator[str]:
    profile = agreement.encoding.profile
    if profile is not None:
        yield _say(
            f"Profile {profile}: {_PROFILE_WORDS[profile]}. The software refuses parameters that are not the profile's."
        )
    filters = agreement.encoding.field_filters
    if filters is not None:
        yield from _field_filter_parameters(filters)
        return
    clk = agreement.encoding.clk_parameters
    yield _say(
        f"Scheme {agreement.encoding.scheme}: {clk.clk_bits} bits a record after {clk.xor_folds} foldings. "
        "More bits give an identifier more weight."
    )
    for feature in clk.features:
        kind = KIND_WORDS[agreement.kind_of(feature.identifier)]
        yield _item(f"{feature.identifier} ({kind}): {_how(feature)}, {feature.hash} hash, {_bits(feature)}.")
    if clk.match_keys:
        yield _say("The match keys, as the software reads them:")
    for each in clk.match_keys:
        yield _item(f"{each.name}: {', '.join(each.parts)}")


def _field_filter_parameters(filters: FieldFilterParameters) -> Iterator[str]:
    yield _say(
        f"Scheme field-filters: a filter of {filters.filter_bits} bits for each identifier in each pass. The pieces of "
        "a value (two letters of a name, a digit of a date or number, a part of a postcode) together set about "
        f"{filters.positions_per_field} bits, twice that for full names, addresses and free text, at places that "
        "follow from the linkage secret, the pass, the block and the piece. A longer value sets no more bits."
    )
    yield _say("The passes, as the software reads them:")
    for each in filters.passes:
        yield _item(f"{each.name}: {', '.join(each.parts)}")


def _how(feature: ClkFeature) -> str:
    if feature.comparison == "ngram":
        place = "with their places" if feature.positional else "wherever they stand"
        return f"pieces of {feature.n} characters, {place}"
    if feature.comparison == "numeric":
        return f"numbers up to {feature.threshold_distance:g} apart, in steps of {feature.resolution}"
    return "as a whole"


def _bits(feature: ClkFeature) -> str:
    if feature.bits_per_feature is not None:
        return f"{feature.bits_per_feature} bits whatever its length"
    return f"{feature.bits_per_token} bits a piece, so that bits tell length"


def _costs(agreement: Agreement) -> Iterator[str]:
    costs = [*dangers(agreement), *warnings(agreement)]
    found = [_item(f"{each.column}: {each.rule}.") for each in costs]
    yield from found or [_say("The checker has no warnings.")]


def _approvals(agreement: Agreement) -> Iterator[str]:
    for each in agreement.approval:
        yield _item(f"{each.officer}, {each.post}, for {each.party} on {_day(each.approved_on)}.")
    if not agreement.approval:
        yield _say("Nobody yet.")


def _own_checks(file: AgreementFile) -> Iterator[str]:
    project = file.content.project
    yield _item(
        "Run sha256sum on the file, and compare all 64 digits with those at the top; compare the 12 words, which are "
        "made of them, with each party, by telephone or in person."
    )
    if project.previous_sha256:
        yield _item(
            f"The version before it must have SHA-256 {project.previous_sha256}. Run 'pprl agreement diff'."
        )
    else:
        yield _item("This is the first version: there is none before it.")
    yield _item(
        "Ask for the signed files: 'pprl inspect' shows that each names this agreement, sender and recipient."
    )
    yield _item(
        "The auditor's guide in configs/ tells for each field what it refuses, and what to ask people."
    )


def _left(agreement: Agreement, today: date) -> Iterator[str]:
    left = [
        *out_of_time(agreement, today=today),
        *not_filled_in(agreement),
        *not_answered_for(agreement),
        *open_ends(agreement),
    ]
    yield from [_item(str(finding)) for finding in left] or [_say("Nothing.")]
