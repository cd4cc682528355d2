"""Drafting an agreement from the headers of the departments' files, never from their values.

A draft is complete enough to rehearse with throw-away keys. What only people can say stands in it as
"To be completed", and `pprl.agreements.check` lists it until they have.
"""

from __future__ import annotations

import math
import textwrap
import unicodedata
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta

from pprl.agreements.columns import KNOWN, Recognised, american, recognise
from pprl.agreements.default_match_keys import default_match_keys
from pprl.errors import ConfigError, Finding, UsageError
from pprl.protocol.agreement import DateOrder, Scheme, is_visible
from pprl.protocol.blocking import BlockingPass, default_passes
from pprl.protocol.kinds import NAME, Kind, can_be_joined
from pprl.protocol.profiles import FOLDED_BITS, FOLDS, SCHEME_OF, Profile
from pprl.protocol.risk_statement import PER

TO_BE_COMPLETED = "To be completed"
CLK_BITS = 1024
TARGET_BITS = 600
FILTER_BITS, SMALL_FILTER_BITS = 128, 64
"""In small files fewer people look alike, so that filters must say less of them (decision 0007)."""
SMALL_FILTER_ROWS = 5_000
POSITIONS_PER_FIELD = 20
MAX_BLOCK_RECORDS = 50
MOST_DATASETS = 20


@dataclass(frozen=True, slots=True)
class DatasetSketch:
    """What a draft needs to know about a table.

    Attributes:
        name: the dataset's name in the agreement.
        header: its column names.
        rows: its number of records.
    """

    name: str
    header: tuple[str, ...]
    rows: int


@dataclass(frozen=True, slots=True)
class DefaultFeature:
    """How identifiers of a kind go into the CLK unless somebody knows better.

    Attributes:
        comparison: `ngram` or `exact`.
        n: length of the pieces; None for exact.
        positional: whether a piece counts at its place alone; None for exact.
        bits: bits set for a value, before they are scaled for all identifiers together.
    """

    comparison: str
    n: int | None
    positional: bool | None
    bits: int


DEFAULT_FEATURES: Mapping[Kind, DefaultFeature] = {
    "given-name": DefaultFeature("ngram", 2, False, 180),
    "middle-names": DefaultFeature("ngram", 2, False, 70),
    "surname": DefaultFeature("ngram", 2, False, 160),
    "full-name": DefaultFeature("ngram", 2, False, 360),
    "date-of-birth": DefaultFeature("ngram", 2, True, 280),
    "year-of-birth": DefaultFeature("ngram", 2, True, 100),
    "sex": DefaultFeature("exact", None, None, 30),
    "postcode": DefaultFeature("ngram", 2, False, 80),
    "address-line": DefaultFeature("ngram", 2, False, 80),
    "place": DefaultFeature("ngram", 2, False, 40),
    "free-text": DefaultFeature("ngram", 2, False, 40),
    "number": DefaultFeature("ngram", 2, True, 250),
    "code": DefaultFeature("exact", None, None, 100),
}

PROFILE_OF: Mapping[Scheme, Profile] = {"field-filters": "accuracy-first", "clk": "clkhash-compatible"}
"""The profile of a draft that is asked for by its scheme alone."""

FOLDED_FEATURES: Mapping[Kind, DefaultFeature] = {
    "given-name": DefaultFeature("ngram", 2, False, 2_400),
    "middle-names": DefaultFeature("ngram", 2, False, 600),
    "surname": DefaultFeature("ngram", 2, False, 1_440),
    "full-name": DefaultFeature("ngram", 2, False, 3_840),
    "date-of-birth": DefaultFeature("ngram", 1, True, 3_360),
    "year-of-birth": DefaultFeature("ngram", 1, True, 1_200),
    "sex": DefaultFeature("exact", None, None, 240),
    "postcode": DefaultFeature("ngram", 1, True, 960),
    "address-line": DefaultFeature("ngram", 2, False, 960),
    "place": DefaultFeature("ngram", 2, False, 480),
    "free-text": DefaultFeature("ngram", 2, False, 480),
    "number": DefaultFeature("ngram", 1, True, 3_000),
    "code": DefaultFeature("exact", None, None, 1_200),
}
"""Features of profile privacy-first, whose bits are those of files of more than `SMALL_FILE_ROWS`.

Those of given name, surname, date of birth, sex and postcode are measured ones. The others follow the same logic, and
are not: what stays with a person and is hard to guess has many bits (a number nearly as many as the date of birth, of
which a year has a third), what changes or is often missing has few.
"""
SMALL_FILE_ROWS = 20_000
SMALL_FILE_SHARE = 2 / 3
"""Files up to that many rows have this share of the bits: fewer pairs have to be told apart."""
FULLEST_BEFORE_FOLDING = 0.5
"""Share of the bits before folding that a complete record may set: beyond, tokens hide each other."""


@dataclass(frozen=True, slots=True)
class _Table:
    """A dataset of the draft: its sketch, its record id, its columns by identifier, the others with reasons."""

    sketch: DatasetSketch
    party: str
    may_have_duplicates: bool
    record_id: str | None
    columns: Mapping[str, str]
    not_used: tuple[tuple[str, str], ...]


def draft(
    datasets: Sequence[DatasetSketch],
    *,
    today: date,
    project_id: str = "draft",
    title: str = f"{TO_BE_COMPLETED}: what is linked, in one line",
    duplicates: Collection[str] = (),
    scheme: Scheme = "field-filters",
    profile: Profile | None = None,
) -> str:
    """Write an agreement for tables that nobody has described yet. A department's data officer runs it.

    Args:
        datasets: 2 to 20 tables, each with a name of its own.
        today: the first day of the draft's year.
        project_id: the project's short name.
        title: the project's title, one line.
        duplicates: names of the datasets in which a person may have several records.
        scheme: how records are encoded, where no profile is given; `clk` is for exchange with deployments of clkhash.
        profile: whose parameters the agreement names; None for the scheme's own in `PROFILE_OF`.

    Returns:
        A commented agreement; the same arguments give the same text. It parses, and rehearses as it is.

    Raises:
        UsageError: the names don't fit, or there are too few or too many datasets.
        ConfigError: the headers share too little; each finding says what was understood of one of them.

    Leaks:
        column names and numbers of records; a header that is really a row of data would be told apart only
        by people, so read the draft before passing it on.
    """
    _refuse_names_that_do_not_fit(datasets, project_id, title, duplicates)
    headers = [recognise(sketch.header, may_have_duplicates=sketch.name in duplicates) for sketch in datasets]
    shared = _shared_identifiers(headers)
    tables = [
        _table(sketch, _party_of(sketch.name, place), header, shared, sketch.name in duplicates)
        for place, (sketch, header) in enumerate(zip(datasets, headers, strict=True), start=1)
    ]
    _refuse_too_little_in_common(tables, headers)
    order: DateOrder = (
        "month-day-year" if any(american(each.header) for each in datasets) else "day-month-year"
    )
    sections = (
        _opening(),
        _project(project_id, title, today),
        _parties(tables),
        *(_dataset(table, order) for table in tables),
        _identifiers(shared),
        _encoding(
            shared,
            profile or PROFILE_OF[scheme],
            least=min(3, *(len(table.columns) for table in tables)),
            rows=max(sketch.rows for sketch in datasets),
        ),
        _linkage(),
        _privacy(profile or PROFILE_OF[scheme]),
        _release({KNOWN[name].kind for name in shared}),
        _retention(),
        _log(tables),
        _approvals(),
    )
    return "\n".join(sections)


def feature_lines(identifiers: Sequence[tuple[str, Kind]]) -> tuple[str, ...]:
    """The default features of some identifiers, as TOML inline tables, one a line.

    Args:
        identifiers: names with their kinds, in the agreement's order.

    Returns:
        Lines for `encoding.clk.features`, whose bits come to about `TARGET_BITS` in all.
    """
    features = [(name, DEFAULT_FEATURES[kind]) for name, kind in identifiers]
    share = TARGET_BITS / sum(feature.bits for _, feature in features)
    return tuple(_feature_line(name, feature, share) for name, feature in features)


def folded_feature_lines(identifiers: Sequence[tuple[str, Kind]], rows: int) -> tuple[str, ...]:
    """The features of profile privacy-first, as TOML inline tables, one a line.

    Args:
        identifiers: names with their kinds, in the agreement's order.
        rows: rows of the largest dataset.

    Returns:
        Lines for `encoding.clk.features`. Where there are so many identifiers that a complete record would fill more
        than `FULLEST_BEFORE_FOLDING` of its bits before folding, all have fewer in proportion.
    """
    features = [(name, FOLDED_FEATURES[kind]) for name, kind in identifiers]
    fullest = -math.log(1 - FULLEST_BEFORE_FOLDING) * (FOLDED_BITS << FOLDS)
    share = min(
        SMALL_FILE_SHARE if rows <= SMALL_FILE_ROWS else 1.0,
        fullest / sum(feature.bits for _, feature in features),
    )
    return tuple(_feature_line(name, feature, share) for name, feature in features)


def pass_lines(identifiers: Sequence[tuple[str, Kind]], rows: int) -> tuple[str, ...]:
    """The default passes of some identifiers, as TOML inline tables, one a line.

    Args:
        identifiers: names with their kinds, in the agreement's order.
        rows: rows of the largest dataset.

    Returns:
        Lines for `encoding.field_filters.passes`.
    """
    return tuple(_pass_line(each) for each in default_passes(dict(identifiers), rows))


def _pass_line(each: BlockingPass) -> str:
    return f'  {{ name = "{each.name}", parts = [{", ".join(toml_text(part) for part in each.parts)}] }},'


def _feature_line(name: str, feature: DefaultFeature, share: float) -> str:
    cut = f", n = {feature.n}, positional = {'true' if feature.positional else 'false'}" if feature.n else ""
    bits = max(1, round(feature.bits * share))
    return (
        f'  {{ identifier = {toml_text(name)}, comparison = "{feature.comparison}"{cut}, hash = "blake",'
        f" bits_per_feature = {bits} }},"
    )


def toml_text(text: str) -> str:
    """Text as a TOML basic string. What isn't in normal form C is written by escapes, as a file must be in it."""
    plain = text.replace("\\", "\\\\").replace('"', '\\"')
    if unicodedata.is_normalized("NFC", text):
        return f'"{plain}"'
    return '"' + "".join(c if ord(c) < 128 else f"\\U{ord(c):08X}" for c in plain) + '"'


def _refuse_names_that_do_not_fit(
    datasets: Sequence[DatasetSketch], project_id: str, title: str, duplicates: Collection[str]
) -> None:
    names = [sketch.name for sketch in datasets]
    if not 2 <= len(names) <= MOST_DATASETS:
        raise UsageError(f"An agreement links 2 to {MOST_DATASETS} datasets; {len(names)} were given.")
    for name in (*names, project_id):
        if not NAME.fullmatch(name):
            raise UsageError(
                "A name of a dataset or project does not fit.",
                hint="Take a letter, then at most 39 letters, digits, - and _.",
            )
    if len({name.casefold() for name in names}) < len(names):
        raise UsageError("Two datasets have the same name.", hint="Give each a name of its own.")
    if not title.strip() or not all(map(is_visible, title)) or len(title) > 500:
        raise UsageError("The title does not fit.", hint="Take one line of at most 500 characters.")
    if not set(duplicates) <= set(names):
        raise UsageError(
            "A dataset said to have duplicates was not given.", hint=f"Given: {', '.join(names)}."
        )


def _shared_identifiers(headers: Sequence[Recognised]) -> tuple[str, ...]:
    """Identifiers that two datasets or more have, without those that only say again what others say."""
    holders = {
        name: {place for place, header in enumerate(headers) if name in header.identifiers} for name in KNOWN
    }
    shared = {name: places for name, places in holders.items() if len(places) >= 2}
    for whole, parts in (("full_name", ("given_name", "surname")), ("year_of_birth", ("date_of_birth",))):
        in_parts = set.intersection(*(shared.get(part, set()) for part in parts))
        if whole in shared and shared[whole] <= in_parts:
            del shared[whole]
    return tuple(shared)


def _table(
    sketch: DatasetSketch, party: str, header: Recognised, shared: Collection[str], may_have_duplicates: bool
) -> _Table:
    columns = {name: column for name, column in header.identifiers.items() if name in shared}
    record_id = None if header.record_id in columns.values() else header.record_id
    alone = {
        column: f"no other dataset has {name}"
        for name, column in header.identifiers.items()
        if name not in shared and column != record_id
    }
    said_again = {"full_name", "year_of_birth"} & set(header.identifiers) - set(shared)
    for name in said_again:
        alone[header.identifiers[name]] = "other columns say the same"
    reasons = {**dict(header.not_used), **alone}
    not_used = tuple(
        (column, reasons[column]) for column in dict.fromkeys(sketch.header) if column in reasons
    )
    return _Table(sketch, party, may_have_duplicates, record_id, columns, not_used)


def _party_of(dataset: str, place: int) -> str:
    return f"{dataset}-dept" if len(dataset) <= 35 else f"department-{place}"


def _refuse_too_little_in_common(tables: Sequence[_Table], headers: Sequence[Recognised]) -> None:
    if all(len(table.columns) >= 2 for table in tables):
        return
    findings = []
    for table, header in zip(tables, headers, strict=True):
        understood = (
            ", ".join(f"{name} ({column})" for name, column in header.identifiers.items()) or "no column"
        )
        findings.append(
            Finding(
                f"understood {understood}; did not use {len(header.not_used)} others",
                column=table.sketch.name,
            )
        )
    raise ConfigError(
        "The files share too few identifiers: each needs two or more that another has too.",
        hint="Give the columns plain names such as given_name, surname, date_of_birth, sex or postcode.",
        findings=tuple(findings),
    )


def _comment(*paragraphs: str) -> str:
    lines: list[str] = []
    for paragraph in paragraphs:
        if lines:
            lines.append("#")
        lines += textwrap.wrap(paragraph, 100, initial_indent="# ", subsequent_indent="# ")
    return "\n".join(lines) + "\n"


def _opening() -> str:
    return (
        _comment(
            "DRAFT of an agreement to link records, written from column names alone: no value was looked at.",
            "It rehearses as it is ('pprl rehearse'), with throw-away keys. Before a real run, people complete "
            f"what says '{TO_BE_COMPLETED}', paste every party's public keys, and approve. 'pprl agreement "
            "check' lists what is left, and 'pprl agreement explain' tells the whole in plain English.",
            "All parties keep the same bytes: 'sha256sum' of this file names it in everything they exchange.",
        )
        + "\nagreement_format = 1\n"
    )


def _project(project_id: str, title: str, today: date) -> str:
    until = today + timedelta(days=365)
    return (
        _comment(
            "What is linked, why, and between which days. Outside these days the software refuses to run."
        )
        + f"""
[project]
id = {toml_text(project_id)}
title = {toml_text(unicodedata.normalize("NFC", title))}
version = 1
purposes_permitted = ["{TO_BE_COMPLETED}: what the linked records may be used for"]
purposes_forbidden = [
  "Any decision about a single person",
  "Finding out who a record is about",
]
valid_from = {today}
valid_until = {until}

"""
        + _comment("The data protection impact assessment that covers this. Once expired, nothing runs.")
        + f"""
[dpia]
reference = "{TO_BE_COMPLETED}: where the assessment is kept, and who agreed it"
expires = {until}
"""
    )


def _parties(tables: Sequence[_Table]) -> str:
    departments = (
        _party(table.party, f"Department that brings {table.sketch.name}", "department") for table in tables
    )
    coordinators = (
        _party("matcher", "Office that compares encodings", "matcher"),
        _party("key-issuer", "Office that issues linkage keys", "key-issuer"),
        _party("research", "Research environment", "research"),
    )
    return (
        _comment(
            "Who takes part. Departments bring records. The matcher sees encodings, never names; the key issuer "
            "sees which records go together, never encodings. One office may hold both, at a cost in privacy that "
            "'pprl agreement explain' tells; a department can hold neither. The research environment gets the "
            "crosswalk.",
            "Each party runs 'pprl identity create' (the coordinator its own command), keeps NAME.key secret and "
            "sends NAME.party.toml: its [party.keys] table goes below the party's other lines.",
        )
        + "\n"
        + "\n".join((*departments, *coordinators))
    )


def _party(party: str, name: str, role: str) -> str:
    return f"""[[party]]
id = "{party}"
name = "{name}"
contact = "data-protection@{party.casefold().replace("_", "-")}.example"
roles = ["{role}"]
"""


def _dataset(table: _Table, order: DateOrder) -> str:
    sketch = table.sketch
    least, most = max(1, math.floor(sketch.rows * 0.8)), max(1, math.ceil(sketch.rows * 1.2))
    columns = "".join(f"{name} = {toml_text(column)}\n" for name, column in table.columns.items())
    return (
        _comment(
            f"The table '{sketch.name}'. A file with fewer or more rows than expected is refused: the range is the "
            f"{sketch.rows:,} rows of the file it was drafted from, 20 % either way. {_about_record_ids(table)}"
        )
        + f"""
[[dataset]]
name = "{sketch.name}"
party = "{table.party}"
description = "{TO_BE_COMPLETED}: what a row is, and whom the table covers"
legal_gateway = "{TO_BE_COMPLETED}: the law that lets the department share"
legal_regime = "{TO_BE_COMPLETED}: the data protection law that applies"
expected_rows_min = {least}
expected_rows_max = {most}
may_have_duplicates = {"true" if table.may_have_duplicates else "false"}
{_optional_lines(table, order)}
"""
        + _comment(
            "Identifier on the left, the department's own column on the right. No other column is read."
        )
        + _not_used(table)
        + f"\n[dataset.columns]\n{columns}"
    )


def _about_record_ids(table: _Table) -> str:
    if table.record_id is None:
        return "No column names the records: their row numbers do, and stay at home."
    return (
        "record_id_column must name each record once, and stays at home, to tell which key is for which record. "
        "Without that line, row numbers do."
    )


def _optional_lines(table: _Table, order: DateOrder) -> str:
    lines = [f"record_id_column = {toml_text(table.record_id)}\n"] if table.record_id else []
    if "date_of_birth" in table.columns:
        lines.append(f'date_order = "{order}"    # how 3/4/1980 is read; 1980-04-03 is plain\n')
    return "".join(lines)


def _not_used(table: _Table) -> str:
    if not table.not_used:
        return ""
    said = "; ".join(f"{_in_a_comment(column)} ({reason})" for column, reason in table.not_used)
    return "#\n" + _comment(f"Not used: {said}.")


def _in_a_comment(column: str) -> str:
    """A column name that can't end the comment or change how it reads."""
    shown = unicodedata.normalize("NFC", column)[:60]
    return "".join(c if is_visible(c) else "?" for c in shown).strip() or "a column without a name"


def _identifiers(shared: Sequence[str]) -> str:
    tables = (
        f"""[[identifier]]
name = "{name}"
kind = "{KNOWN[name].kind}"
why = "{KNOWN[name].why}"
"""
        for name in shared
    )
    return (
        _comment(
            "The only things about a person that are used, each with its reason: take out what is not needed. "
            "The kind fixes the rule by which every department writes a value."
        )
        + "\n"
        + "\n".join(tables)
    )


def _encoding(shared: Sequence[str], profile: Profile, *, least: int, rows: int) -> str:
    return (
        _comment(
            "What a department does to a record before anything leaves, keyed by a secret that only departments hold. "
            "Encodings are still personal data. The profile names parameters that go together; with the line, others "
            f"are refused. {_PROFILE_COMMENTS[profile]}",
            'invalid_values: "missing" leaves out a value that breaks its rule (a date that never was), "refuse" '
            "stops. A record with fewer than min_identifiers of its values is not compared; it still gets a key.",
        )
        + f"""
[encoding]
profile = "{profile}"
scheme = "{SCHEME_OF[profile]}"
invalid_values = "missing"
min_identifiers = {least}

{_parameters(shared, profile, rows)}"""
    )


_PROFILE_COMMENTS: Mapping[Profile, str] = {
    "accuracy-first": "This one wants matcher and key issuer to be two parties.",
    "privacy-first": "This one's encodings look like random bits, at the price of links lost where records have "
    "several errors: 'pprl check' tells whether yours may.",
    "clkhash-compatible": "This one is for existing deployments of clkhash: whoever holds its encodings and a list of "
    "people can name them.",
}


def _parameters(shared: Sequence[str], profile: Profile, rows: int) -> str:
    identifiers = [(name, KNOWN[name].kind) for name in shared]
    if profile == "accuracy-first":
        return _field_filters(identifiers, rows)
    if profile == "privacy-first":
        comment = (
            f"One string of {FOLDED_BITS << FOLDS:,} bits a record, folded onto itself {FOLDS} times: of each bit that "
            "leaves nobody can tell which of eight was set. More bits mean more weight."
        )
        features = folded_feature_lines(identifiers, rows)
        return _clk(comment, FOLDED_BITS, FOLDS, features) + _match_keys(identifiers, rows)
    return _clk(
        "One string of bits a record. More bits mean more weight.", CLK_BITS, 0, feature_lines(identifiers)
    )


def _clk(comment: str, bits: int, folds: int, features: Sequence[str]) -> str:
    lines = "\n".join(features)
    return f"""{_comment(comment)}
[encoding.clk]
clk_bits = {bits}
xor_folds = {folds}
features = [
{lines}
]
"""


def _match_keys(identifiers: Sequence[tuple[str, Kind]], rows: int) -> str:
    declared = default_match_keys(dict(identifiers), rows)
    if not declared:
        return ""
    comment = _comment(
        "Match keys: two records that share the parts of one are linked first, however unlike their encodings are. "
        "Who lacks a part, or has what another record of the file has, gets random bytes for it, so that nothing shows "
        "what is missing. How many of such links are wrong is estimated from the files; where it is too many, match "
        "keys don't count."
    )
    lines = "\n".join(_pass_line(each) for each in declared)
    return f"\n{comment}match_keys = [\n{lines}\n]\n"


def _field_filters(identifiers: Sequence[tuple[str, Kind]], rows: int) -> str:
    passes = "\n".join(pass_lines(identifiers, rows))
    joins = can_be_joined([kind for _, kind in identifiers])
    bits = SMALL_FILTER_BITS if rows <= SMALL_FILTER_ROWS else FILTER_BITS
    comment = _comment(
        "In each pass, records are compared only inside a block: those whose parts are all there and equal. A small "
        "filter for each identifier is keyed by the block as well, so that a name looks different in every block, and "
        "records have other random references in each pass, so that the matcher can't lay passes over each other. "
        "The passes suit the size of the files. Of each block, one person's records are sent alone "
        "(one_person_a_block), so that the matcher can't compare a file's own people: that is what would name "
        "them. Where a file may hold a person more than once, a "
        "department joins its own records of a person first (join_at_home), as how those differ would name them too. A "
        "value sets about positions_per_field bits of its filter, however long it is.",
    )
    return f"""{comment}
[encoding.field_filters]
filter_bits = {bits}
positions_per_field = {POSITIONS_PER_FIELD}
max_block_records = {MAX_BLOCK_RECORDS}
one_person_a_block = true
join_at_home = {str(joins).lower()}
passes = [
{passes}
]
"""


def _linkage() -> str:
    return (
        _comment(
            "Of the links that are made, this share should be right. The threshold is found from the encodings alone, "
            "so that the lower end of the estimate's 95 % interval reaches it: nobody tunes it. Where none is so "
            "sure, nothing is released. A lower target links more. cost_ratio = 5 would make a wrong link as bad as "
            "five missed ones; without it, expected F1 decides among the thresholds that reach the target."
        )
        + """
[linkage]
target_precision = 0.975
threshold = "estimated"
"""
    )


def _privacy(profile: Profile) -> str:
    return (
        _comment(
            "A submission with an encoding that has more of its bits set is refused: it would match everybody."
        )
        + """
[privacy]
max_popcount_share = 0.6

"""
        + _comment(
            "Limits on attackers, for a real run: take out the # before each line, and weigh the numbers. Then a "
            "department attacks its own encodings before they leave ('pprl risk --sign'), and nothing is encoded or "
            "received if somebody could name more of 10,000 people than this. Files of a few hundred people can't "
            f"show so little. {_LIMIT_COMMENTS[profile]}A rehearsal makes the attacks too, which takes minutes."
        )
        + "".join(f"# {line}\n" if line else "#\n" for line in _limits(profile))
    )


_LIMIT_COMMENTS: Mapping[Profile, str] = {
    "accuracy-first": "The attackers of the key issuer hold two departments' files. ",
    "privacy-first": "",
    "clkhash-compatible": "These encodings don't keep to any limit: an officer has to accept that by name. ",
}
_PEOPLE, _KNOWN_PEOPLE = 5_000, 30
_LIMITS: Mapping[Profile, tuple[int, int, int]] = {
    "accuracy-first": (250, 500, PER),
    "privacy-first": (50, 50, 50),
    "clkhash-compatible": (50, 50, PER),
}
"""For matcher, key issuer and both together, who are two parties in a draft; docs/privacy.md has what was measured."""


def _limits(profile: Profile) -> list[str]:
    matcher, key_issuer, together = _LIMITS[profile]
    lines = [
        "[privacy.risk]",
        f"people = {_PEOPLE:_}",
        f"known_people = {_KNOWN_PEOPLE}",
        f"matcher_per_10000 = {matcher}",
        f"key_issuer_per_10000 = {key_issuer}",
        f"together_per_10000 = {together:_}",
    ]
    if profile == "clkhash-compatible":
        lines += [
            "",
            "[[privacy.risk.exception]]",
            'holder = "matcher"',
            f"per_10000 = {PER:_}",
            f'officer = "{TO_BE_COMPLETED}"',
            f'post = "{TO_BE_COMPLETED}"',
            f'reason = "{TO_BE_COMPLETED}: why plain encodings have to be, and what keeps the matcher from it"',
        ]
    return lines


def _release(kinds: set[Kind]) -> str:
    groups = ["sex"] * ("sex" in kinds) + ["decade-of-birth"] * ("date-of-birth" in kinds) + ["completeness"]
    wanted = ", ".join(f'"{group}"' for group in groups)
    return (
        _comment(
            'Who learns what afterwards. "per-person": a department\'s records that resemble each other share a '
            'linkage key, which shows it its own duplicates; "per-record" hides even that. Keys differ from party to '
            "party, and only crosswalk_to learns which belong together. With fewer people in common than "
            "min_linked_people, nothing is released; min_overlap = 0.05 would also ask for a twentieth of the smaller "
            "of every two datasets. Counts below small_number_limit are shown to nobody but the "
            "coordinator."
        )
        + """
[release]
linkage_keys = "per-person"
crosswalk_to = "research"
min_linked_people = 10
small_number_limit = 10
"""
        + _comment(
            "With this line, a later version of the project gives a record the linkage key that it had before. Then "
            "the key issuer can tell which records of two versions are one, and what is known under a key grows."
        )
        + "# keep_linkage_keys = true\n"
        + _comment(
            "Are some groups linked less often than others? With this line, departments also give the research "
            "environment each linkage key's groups, and it tells the rates, without small numbers. Take what you need."
        )
        + f"# rates_by = [{wanted}]\n"
    )


def _retention() -> str:
    return (
        _comment("Days after the agreement is registered by which each thing must be gone.")
        + """
[retention]
encodings_days = 30       # at the matcher
references_days = 30      # at the key issuer: which random reference is which record's random handle
pairs_days = 30           # at both: which references were found alike
linkage_keys_days = 180   # at the key issuer
home_map_days = 365       # at each department: which key is for which of its rows
"""
    )


def _log(tables: Sequence[_Table]) -> str:
    witnesses = list(dict.fromkeys(table.party for table in tables))
    return (
        _comment(
            "Each coordinator keeps a log of what it did. Witnesses sign how long it is and what it holds, and never "
            "sign one that leaves something out of what they signed before. Nothing is released before a quorum has "
            "signed."
        )
        + f"""
[log]
witnesses = [{", ".join(map(toml_text, witnesses))}]
quorum = {len(witnesses) // 2 + 1}  # more than half of them
"""
    )


def _approvals() -> str:
    return (
        _comment(
            "Last, a named officer of every party approves, each by a table like this one, without the # signs. "
            "Until all are there, only a rehearsal runs."
        )
        + """#
#     [[approval]]
#     party = "matcher"
#     officer = "A. N. Officer"
#     post = "Head of linkage"
#     approved_on = 2027-01-31
"""
    )
