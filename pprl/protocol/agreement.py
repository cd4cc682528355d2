"""The agreement: the one file from which all trust in a run follows.

An agreement is TOML 1.0 in UTF-8 (NFC, line feeds, no control or bidirectional-override characters). It is
named by the SHA-256 of its bytes, so that anyone can check it with `sha256sum`. Unknown keys, wrong types and
contradictions are refused, all of them at once. What depends on the day, or is merely not filled in yet, is
judged by `readiness`, so that a draft can be read, explained and rehearsed before anybody has signed.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import re
import tomllib
import unicodedata
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import date
from typing import Annotated, Any, Literal, Self

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError, model_validator

from pprl.errors import ConfigError, Finding
from pprl.protocol import blocking, profiles
from pprl.protocol.filter_bits import LEAST_PER_FIELD, MOST_PER_FIELD
from pprl.protocol.groups import KINDS_TOLD_FROM, Grouping, can_be_grouped
from pprl.protocol.kinds import NAME_PATTERN, Kind, can_be_joined
from pprl.protocol.profiles import Profile
from pprl.protocol.toml_lines import KeyPath, Lines, dotted, key_lines, line_of

MAX_AGREEMENT_BYTES = 1_000_000
MOST_DOTS = 200
MAX_DEPTH = 20
MOST_FIELDS = 16
MOST_MATCH_KEYS = 11
LAST_VERSION = 2**32 - 1

Role = Literal["department", "matcher", "key-issuer", "research", "auditor"]
DateOrder = Literal["day-month-year", "month-day-year"]
Scheme = Literal["clk", "field-filters"]
Holder = Literal["matcher", "key-issuer", "together"]

# Of 10,000 people: above the first somebody must look twice, above the second a named officer must accept it.
REVIEW_PER_10000 = 50
REFUSE_PER_10000 = 500

_SHA256 = r"^[0-9a-f]{64}$"

# Unicode categories that a reader can't see, or that change what they see: controls, formats (which hold the
# bidirectional overrides), lone surrogates, line and paragraph separators.
# Private and unassigned characters look like anything; spaces of other widths look like the plain one.
_INVISIBLE = frozenset({"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp", "Zs"})
# Letters, marks and symbols that are drawn as nothing: Unicode's default ignorables, and the empty Braille cell.
_DRAWN_AS_NOTHING = frozenset(
    map(chr, [0x34F, 0x115F, 0x1160, 0x17B4, 0x17B5, 0x2800, 0x3164, 0xFFA0])
) | frozenset(map(chr, [*range(0x180B, 0x1810), *range(0xFE00, 0xFE10), *range(0xE0100, 0xE01F0)]))


def _raw_bytes(length: int) -> AfterValidator:
    def check(text: str) -> str:
        try:
            raw = base64.b64decode(text, validate=True)
        except binascii.Error:
            raise ValueError("not standard base64") from None
        if len(raw) != length or base64.b64encode(raw).decode() != text:
            raise ValueError(f"not {length} bytes in standard base64")
        return text

    return AfterValidator(check)


Name = Annotated[str, Field(pattern=NAME_PATTERN)]
Line = Annotated[str, Field(min_length=1, max_length=500, pattern=r"^[^\n]*\S[^\n]*$")]
Text = Annotated[str, Field(min_length=1, max_length=5_000)]
Sha256 = Annotated[str, Field(pattern=_SHA256)]
Days = Annotated[int, Field(ge=1, le=3_650)]
PerTenThousand = Annotated[int, Field(ge=1, le=10_000)]


class _Section(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", strict=True, allow_inf_nan=False)


class Project(_Section):
    """What is linked, why, and between which days."""

    id: Name
    title: Line
    version: Annotated[int, Field(ge=1, le=LAST_VERSION)]
    previous_sha256: Sha256 | None = None
    purposes_permitted: Annotated[tuple[Line, ...], Field(min_length=1)]
    purposes_forbidden: Annotated[tuple[Line, ...], Field(min_length=1)]
    valid_from: date
    valid_until: date

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        if self.valid_until < self.valid_from:
            raise ValueError("valid_until is before valid_from")
        if (self.version == 1) != (self.previous_sha256 is None):
            raise ValueError("version 1 has no previous_sha256, and every later version names it")
        return self


class Dpia(_Section):
    """The data protection impact assessment that covers the run."""

    reference: Line
    expires: date


class PartyKeys(_Section):
    """A party's public keys, and its signatures over them, each in standard base64 of its raw bytes."""

    ed25519: Annotated[str, _raw_bytes(32)]
    ml_dsa_65: Annotated[str, _raw_bytes(1952)]
    x_wing: Annotated[str, _raw_bytes(1216)]
    card_ed25519: Annotated[str, _raw_bytes(64)]
    card_ml_dsa_65: Annotated[str, _raw_bytes(3309)]


class Party(_Section):
    """An organisation, or a team inside one that holds a role of its own."""

    id: Name
    name: Line
    contact: Line
    roles: Annotated[tuple[Role, ...], Field(min_length=1)]
    keys: PartyKeys | None = None

    @model_validator(mode="after")
    def _roles_go_together(self) -> Self:
        roles = set(self.roles)
        if len(roles) != len(self.roles):
            raise ValueError("a role is listed twice")
        if "department" in roles and roles & {"matcher", "key-issuer"}:
            raise ValueError(
                "a department can't be its own coordinator: give matcher and key-issuer to others"
            )
        if "department" in roles and "research" in roles:
            raise ValueError("a department can't be the research environment: it would learn who matched")
        if "auditor" in roles and len(roles) > 1:
            raise ValueError("an auditor holds no other role")
        return self


class Dataset(_Section):
    """One table that one department brings.

    `columns` maps each agreed identifier to the department's own column name. An identifier that it does not
    have is left out, and counts as missing for all its records. Without `record_id_column` a record is known
    at home by its row number.
    """

    name: Name
    party: Name
    description: Text
    legal_gateway: Line
    legal_regime: Line
    expected_rows_min: Annotated[int, Field(ge=1)]
    expected_rows_max: Annotated[int, Field(ge=1, le=2**31)]
    may_have_duplicates: bool
    record_id_column: Line | None = None
    date_order: DateOrder = "day-month-year"
    columns: dict[Name, Line]

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        if self.expected_rows_max < self.expected_rows_min:
            raise ValueError("expected_rows_max is below expected_rows_min")
        used = [*self.columns.values(), *([self.record_id_column] if self.record_id_column else [])]
        if len(set(used)) != len(used):
            raise ValueError("one column is used twice")
        if not self.columns:
            raise ValueError("columns maps no identifier")
        return self


class Identifier(_Section):
    """A thing about a person that may be used to link, and why it is needed."""

    name: Name
    kind: Kind
    why: Text


class ClkFeature(_Section):
    """How one identifier goes into the cryptographic longterm key (CLK); the words are clkhash's.

    `ngram` cuts the value into pieces of `n` characters, with their place if `positional`; `exact` takes it
    whole; `numeric` makes near numbers share tokens up to `threshold_distance` apart, in steps of
    `resolution`. Bits are set either `bits_per_token` or `bits_per_feature`.
    """

    identifier: Name
    comparison: Literal["ngram", "exact", "numeric"]
    n: Annotated[int, Field(ge=1, le=4)] | None = None
    positional: bool | None = None
    threshold_distance: Annotated[float, Field(gt=0)] | None = None
    resolution: Annotated[int, Field(ge=1, le=512)] | None = None
    hash: Literal["blake", "double"]
    bits_per_token: Annotated[int, Field(ge=1, le=1_000)] | None = None
    bits_per_feature: Annotated[int, Field(ge=1, le=20_000)] | None = None

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        if (self.bits_per_token is None) == (self.bits_per_feature is None):
            raise ValueError("give bits_per_token or bits_per_feature, one of the two")
        ngram = self.n is not None and self.positional is not None
        if (self.comparison == "ngram") != ngram or (not ngram and (self.n, self.positional) != (None, None)):
            raise ValueError("comparison ngram takes n and positional; no other comparison does")
        numeric = self.threshold_distance is not None and self.resolution is not None
        given = (self.threshold_distance, self.resolution) != (None, None)
        if (self.comparison == "numeric") != numeric or (not numeric and given):
            raise ValueError(
                "comparison numeric takes threshold_distance and resolution; no other comparison does"
            )
        return self


class AgreedPass(_Section):
    """A blocking pass: two records are compared if all its parts, 'identifier:transform', are there and equal.

    A match key is declared in the same way.
    """

    name: Name
    parts: Annotated[tuple[Line, ...], Field(min_length=1, max_length=blocking.MOST_PARTS)]

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        self.blocking_pass()
        return self

    def blocking_pass(self) -> blocking.BlockingPass:
        """The pass as encoders take it."""
        return blocking.BlockingPass(self.name, self.parts)


class ClkParameters(_Section):
    """Parameters of scheme `clk`: a Bloom filter a record, of `clk_bits` bits after `xor_folds` foldings.

    Records that share a match key, of two datasets, are linked first. A match key has parts as a pass has; who lacks
    one of them, or has the same as another record of the dataset, has none.
    """

    clk_bits: Literal[512, 1024, 2048, 4096]
    xor_folds: Annotated[int, Field(ge=0, le=3)]
    features: Annotated[tuple[ClkFeature, ...], Field(min_length=1)]
    match_keys: Annotated[tuple[AgreedPass, ...], Field(max_length=MOST_MATCH_KEYS)] = ()


class FieldFilterParameters(_Section):
    """Parameters of scheme `field-filters`: in each pass, a Bloom filter of `filter_bits` bits for each identifier.

    A value sets about `positions_per_field` bits, however long it is; one of kind full-name, address-line or free-text
    twice as many. A record whose block holds more than
    `max_block_records` of its own dataset's records is left out of that pass, so that no block is large enough to name.
    With `one_person_a_block` one person's records alone are sent of each block: one record, or in a dataset with
    duplicates those that seem to be of one person, at most `max_block_records`. With `join_at_home` as well departments
    join records of such a dataset that fixed rules take for one person's, and send one of them in each pass: then no
    block holds two records of any dataset.
    """

    filter_bits: Literal[64, 128, 256, 512]
    positions_per_field: Annotated[int, Field(ge=LEAST_PER_FIELD, le=MOST_PER_FIELD)]
    max_block_records: Annotated[int, Field(ge=2, le=1_000)]
    one_person_a_block: bool = False
    join_at_home: bool = False
    passes: Annotated[tuple[AgreedPass, ...], Field(min_length=1, max_length=32)]

    def most_sent_of_a_block(self, dataset: Dataset) -> int:
        """Records of a dataset that one block may hold at most, as the matcher sees it."""
        one_a_block = self.joins(dataset) or not dataset.may_have_duplicates
        return 1 if self.one_person_a_block and one_a_block else self.max_block_records

    def joins(self, dataset: Dataset) -> bool:
        """Whether the department joins a dataset's records itself."""
        return self.one_person_a_block and self.join_at_home and dataset.may_have_duplicates

    @property
    def most_compared_at_home(self) -> int:
        """Records of a block that a department compares with each other at most, for each of those that it sends.

        Where one person stands for a block, those records are compared with one that stays at home as well.
        """
        return self.max_block_records + (2 if self.one_person_a_block else 0)


class Encoding(_Section):
    """What departments do to a record before anything leaves.

    `profile` names parameters that go together, and holds the agreement to them (`pprl.protocol.profiles`).
    `scheme` is one of two: `field-filters`, with its parameters in `field_filters`, or `clk`, with its in `clk`.
    `invalid_values` says what happens to a value that breaks its identifier's rule: `refuse` the file, or
    count it `missing`. A record with fewer than `min_identifiers` present is given no encoding: it can't be
    compared, and still gets a linkage key.
    """

    profile: Profile | None = None
    scheme: Scheme
    invalid_values: Literal["refuse", "missing"]
    min_identifiers: Annotated[int, Field(ge=1)]
    clk: ClkParameters | None = None
    field_filters: FieldFilterParameters | None = None

    @model_validator(mode="after")
    def _one_scheme(self) -> Self:
        if (self.clk is not None, self.field_filters is not None) != (
            self.scheme == "clk",
            self.scheme == "field-filters",
        ):
            raise ValueError("give the parameters of the scheme, and of no other")
        return self

    @property
    def clk_parameters(self) -> ClkParameters:
        """Scheme `clk`'s parameters.

        Raises:
            ConfigError: the scheme is another.
        """
        if self.clk is None:
            raise ConfigError("The agreement's scheme is not clk.")
        return self.clk

    @property
    def field_filter_parameters(self) -> FieldFilterParameters:
        """Scheme `field-filters`' parameters.

        Raises:
            ConfigError: the scheme is another.
        """
        if self.field_filters is None:
            raise ConfigError("The agreement's scheme is not field-filters.")
        return self.field_filters


class Linkage(_Section):
    """How pairs are decided: the share of links that must be right, and a threshold or `estimated`.

    An estimated threshold makes the lower end of the estimated precision's 95 % interval reach `target_precision`, and
    among such thresholds is the one with the highest expected F1; or, where `cost_ratio` says how many missed links
    are as bad as a wrong one, the one that costs least.
    """

    target_precision: Annotated[float, Field(ge=0.5, lt=1)]
    threshold: Annotated[float, Field(gt=0, le=1)] | Literal["estimated"]
    cost_ratio: Annotated[float, Field(gt=0, le=10_000)] | None = None

    @model_validator(mode="after")
    def _costs_decide_something(self) -> Self:
        if self.cost_ratio is not None and self.threshold != "estimated":
            raise ValueError('cost_ratio chooses among thresholds: it needs threshold = "estimated"')
        return self


class RiskException(_Section):
    """More than the limit, which a named officer accepts of one holder. All parties sign it with the agreement."""

    holder: Holder
    per_10000: PerTenThousand
    officer: Line
    post: Line
    reason: Text


class Risk(_Section):
    """How many people attackers may name at most; with it nothing is sent or received without a risk statement.

    A department attacks its own encodings before it sends any: at most `people` records, by attackers who recognise
    `known_people` records to begin with. The limits are of the upper end of a 95 % interval, in 10,000 people, for who
    holds what the matcher sees, what the key issuer sees, and both.
    """

    people: Annotated[int, Field(ge=1, le=1_000_000)]
    known_people: Annotated[int, Field(ge=0, le=1_000_000)]
    matcher_per_10000: PerTenThousand
    key_issuer_per_10000: PerTenThousand
    together_per_10000: PerTenThousand
    exception: tuple[RiskException, ...] = ()

    @model_validator(mode="after")
    def _exceptions_except_something(self) -> Self:
        holders = [each.holder for each in self.exception]
        if len(set(holders)) != len(holders):
            raise ValueError("a holder has two exceptions")
        for each in self.exception:
            if each.per_10000 <= self.limit_of(each.holder):
                raise ValueError(
                    f"the exception of '{each.holder}' must be above its limit, {self.limit_of(each.holder)}"
                )
        return self

    def limit_of(self, holder: Holder) -> int:
        """How many of 10,000 people a holder may name where nobody makes an exception."""
        return {
            "matcher": self.matcher_per_10000,
            "key-issuer": self.key_issuer_per_10000,
            "together": self.together_per_10000,
        }[holder]

    def exception_of(self, holder: Holder) -> RiskException | None:
        """The exception that stands for a holder, if there is one."""
        return next((each for each in self.exception if each.holder == holder), None)

    def accepted_of(self, holder: Holder) -> int:
        """How many of 10,000 people a holder may name after all."""
        exception = self.exception_of(holder)
        return exception.per_10000 if exception else self.limit_of(holder)


class Privacy(_Section):
    """Gates on encodings that the coordinator applies at receipt and the department before sending.

    `max_popcount_share` refuses encodings with more of their bits set: such wildcards match everybody.
    `visible_structure` says whether whole filters that don't look like random bits are refused. `risk` asks each
    department to attack its own encodings first.
    """

    max_popcount_share: Annotated[float, Field(gt=0, le=0.9)]
    visible_structure: Literal["refuse", "allow"] = "allow"
    risk: Risk | None = None


class Release(_Section):
    """Who learns what afterwards.

    `linkage_keys` is `per-person` (a department's records that resemble each other share a key) or `per-record` (a
    department does not even learn which of its own records were linked to each other). With `keep_linkage_keys` a later
    version of the project gives a record the key that it had before. No release below
    `min_linked_people`, nor where two datasets share a smaller part than `min_overlap` of the people in the smaller
    one. Counts below `small_number_limit` are shown to nobody but the coordinator. `rates_by` names the groups by which
    the research environment tells how many were linked; departments then hand it each key's groups.
    """

    linkage_keys: Literal["per-person", "per-record"]
    keep_linkage_keys: bool = False
    crosswalk_to: Name | None = None
    min_linked_people: Annotated[int, Field(ge=1)]
    min_overlap: Annotated[float, Field(gt=0, le=1)] | None = None
    small_number_limit: Annotated[int, Field(ge=1, le=1_000)]
    rates_by: tuple[Grouping, ...] = ()

    @model_validator(mode="after")
    def _rates_can_be_told(self) -> Self:
        if self.rates_by and self.crosswalk_to is None:
            raise ValueError("rates_by needs crosswalk_to: linkage rates are worked out from the crosswalk")
        if len(set(self.rates_by)) != len(self.rates_by):
            raise ValueError("rates_by names a grouping twice")
        return self

    @model_validator(mode="after")
    def _tells_no_small_number(self) -> Self:
        if self.min_linked_people < self.small_number_limit:
            raise ValueError(
                "min_linked_people is below small_number_limit: a release would show a small number"
            )
        return self


class Retention(_Section):
    """Days after registration until each artefact must be gone."""

    encodings_days: Days
    references_days: Days
    pairs_days: Days
    linkage_keys_days: Days
    home_map_days: Days


class Log(_Section):
    """Who watches the coordinators' logs. Any two quorums have a witness in common, who would see two histories."""

    witnesses: Annotated[tuple[Name, ...], Field(min_length=1)]
    quorum: Annotated[int, Field(ge=1)]

    @model_validator(mode="after")
    def _two_quorums_share_a_witness(self) -> Self:
        count = len(self.witnesses)
        if len(set(self.witnesses)) != count:
            raise ValueError("a witness is listed twice")
        if not count < 2 * self.quorum <= 2 * count:
            raise ValueError(f"quorum must be more than half of the witnesses: {count // 2 + 1} to {count}")
        return self


class Approval(_Section):
    """A named officer who approved for a party."""

    party: Name
    officer: Line
    post: Line
    approved_on: date


class Agreement(_Section):
    """The whole file. Lookups beside it are total: a name that passed `parse` resolves."""

    agreement_format: Literal[1]
    project: Project
    dpia: Dpia
    party: Annotated[tuple[Party, ...], Field(min_length=3, max_length=30)]
    dataset: Annotated[tuple[Dataset, ...], Field(min_length=2, max_length=20)]
    identifier: Annotated[tuple[Identifier, ...], Field(min_length=1, max_length=40)]
    encoding: Encoding
    linkage: Linkage
    privacy: Privacy
    release: Release
    retention: Retention
    log: Log
    approval: tuple[Approval, ...] = ()

    def party_with(self, role: Role) -> Party:
        """The party that holds a role of which there is one: matcher, key-issuer, or research where named."""
        return next(party for party in self.party if role in party.roles)

    @property
    def one_office(self) -> bool:
        """Whether one party holds both coordinator roles, and so sees what either sees."""
        return any({"matcher", "key-issuer"} <= set(party.roles) for party in self.party)

    def holders(self) -> tuple[Holder, ...]:
        """Whose limits in `privacy.risk` count: of an office with both roles, only what it may name with both."""
        return ("together",) if self.one_office else ("matcher", "key-issuer", "together")

    def party_named(self, party_id: str) -> Party:
        """The party of that id.

        Raises:
            ConfigError: no such party is in the agreement.
        """
        for party in self.party:
            if party.id == party_id:
                return party
        raise ConfigError(
            f"The agreement has no party '{party_id}'.", hint="Use a key of one of its parties."
        )

    def dataset_named(self, name: str) -> Dataset:
        """The dataset of that name.

        Raises:
            ConfigError: no such dataset is in the agreement.
        """
        for dataset in self.dataset:
            if dataset.name == name:
                return dataset
        names = ", ".join(each.name for each in self.dataset)
        raise ConfigError(f"The agreement has no dataset '{name}'.", hint=f"It has: {names}.")

    def has_work(self, party: Party) -> bool:
        """Whether a party needs keys and an approval: an auditor who only reads needs neither."""
        return party.roles != ("auditor",) or party.id in self.log.witnesses

    def datasets_of(self, party_id: str) -> tuple[Dataset, ...]:
        """The datasets that a party brings, in the agreement's order."""
        return tuple(dataset for dataset in self.dataset if dataset.party == party_id)

    def kinds(self) -> dict[str, Kind]:
        """The kind of every agreed identifier, in the agreement's order."""
        return {identifier.name: identifier.kind for identifier in self.identifier}

    def kind_of(self, identifier: str) -> Kind:
        """The kind of an agreed identifier."""
        return next(each.kind for each in self.identifier if each.name == identifier)


@dataclass(frozen=True, slots=True)
class AgreementFile:
    """An agreement together with the bytes that everybody approved.

    Attributes:
        content: the parsed agreement.
        raw: the file's bytes, unchanged.
        sha256: its name everywhere: 64 hexadecimal digits, as `sha256sum` prints.
    """

    content: Agreement
    raw: bytes
    sha256: str = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "sha256", hashlib.sha256(self.raw).hexdigest())


def parse(raw: bytes, *, where: str) -> AgreementFile:
    """Read an agreement, strictly. Everybody runs this before anything else.

    Args:
        raw: the file's bytes.
        where: how messages name the file.

    Returns:
        The agreement with its bytes.

    Raises:
        ConfigError: with one finding for each problem, each with its line and what to do.
    """
    text = _decode(raw, where)
    tree = _tree(text, where)
    lines = key_lines(text)
    findings = list(_invisible_values(tree, lines))
    try:
        content = Agreement.model_validate(tree)
    except ValidationError as error:
        findings += _model_findings(error, tree, lines)
    else:
        findings += _contradictions(content, lines)
        if not findings:
            return AgreementFile(content, raw)
    raise ConfigError(
        f"{where} is not a valid agreement: {len(findings)} problem{'s' if len(findings) > 1 else ''}.",
        hint="The auditor's guide in configs/ tells what each field means.",
        findings=tuple(sorted(findings, key=lambda finding: finding.line or 0)),
    )


def readiness(agreement: Agreement, *, today: date) -> tuple[Finding, ...]:
    """What still stands between a well-formed agreement and a run. Every party checks this before each step.

    Args:
        agreement: a parsed agreement.
        today: the day of the check.

    Returns:
        Findings; none means that the agreement is in force and complete.
    """
    return (*out_of_time(agreement, today=today), *not_filled_in(agreement), *not_answered_for(agreement))


def out_of_time(agreement: Agreement, *, today: date) -> Iterator[Finding]:
    """What the calendar refuses: an agreement or DPIA that isn't in force, an approval that can't be yet.

    Args:
        agreement: a parsed agreement.
        today: the day of the check.

    Yields:
        Findings; a rehearsal heeds these too.
    """
    project, dpia = agreement.project, agreement.dpia
    if today < project.valid_from:
        yield Finding(f"not in force before {project.valid_from}", column="project.valid_from")
    if today > project.valid_until:
        yield Finding(
            f"expired on {project.valid_until}", "agree a new version", column="project.valid_until"
        )
    if today > dpia.expires:
        yield Finding(
            f"the DPIA expired on {dpia.expires}",
            "renew it, then agree a new version",
            column="dpia.expires",
        )
    for index, approval in enumerate(agreement.approval):
        if approval.approved_on > today:
            yield Finding(
                f"approved on a day to come, {approval.approved_on}",
                "mend the date",
                column=f"approval[{index}].approved_on",
            )


def not_filled_in(agreement: Agreement) -> Iterator[Finding]:
    """What parties still have to put in before a run: public keys and approvals. A rehearsal makes its own.

    Args:
        agreement: a parsed agreement.

    Yields:
        Findings in the order of the parties. An auditor who only reads needs neither.
    """
    approved = {approval.party for approval in agreement.approval}
    for index, party in enumerate(agreement.party):
        if not agreement.has_work(party):
            continue
        if party.keys is None:
            yield Finding(
                f"'{party.id}' has no public keys yet",
                f"paste its {party.id}.party.toml",
                column=f"party[{index}].keys",
            )
        if party.id not in approved:
            yield Finding(
                f"nobody has approved for '{party.id}'",
                "add an [[approval]] of its officer",
                column="approval",
            )


def not_answered_for(agreement: Agreement) -> Iterator[Finding]:
    """Limits on attackers that are so high that an officer has to accept them by name, and none does.

    What the two coordinator roles may name together takes both of them, where they are two parties, and needs none.

    Args:
        agreement: a parsed agreement.

    Yields:
        Findings, in the order of the limits.
    """
    risk = agreement.privacy.risk
    if risk is None:
        return
    for holder in agreement.holders():
        alone = holder != "together" or agreement.one_office
        if alone and risk.limit_of(holder) > REFUSE_PER_10000:
            yield Finding(
                f"above {REFUSE_PER_10000}: more of 10,000 people than an agreement accepts without an officer's name",
                "lower it, and add a [[privacy.risk.exception]] with officer, post and reason",
                column=f"privacy.risk.{limit_key(holder)}",
            )


def limit_key(holder: Holder) -> str:
    """The key of `privacy.risk` that limits a holder."""
    return f"{holder.replace('-', '_')}_per_10000"


def _decode(raw: bytes, where: str) -> str:
    if len(raw) > MAX_AGREEMENT_BYTES:
        raise ConfigError(f"{where} is larger than {MAX_AGREEMENT_BYTES} bytes.")
    try:
        text = raw.decode("utf-8")
    except UnicodeDecodeError as error:
        line = raw.count(b"\n", 0, error.start) + 1
        raise ConfigError(f"{where} is not UTF-8 at line {line}.", hint="Save it as UTF-8.") from None
    for number, line_text in enumerate(text.split("\n"), start=1):
        hidden = _first_invisible(line_text.replace("\t", " "))
        if hidden:
            raise ConfigError(
                f"{where} holds {hidden} at line {number}.", hint=_HIDDEN_HINTS.get(hidden, "Take it out.")
            )
    if not unicodedata.is_normalized("NFC", text):
        raise ConfigError(f"{where} is not in Unicode normal form C.", hint="Save it as NFC.")
    return text


_CARRIAGE_RETURN = "a carriage return"
_BYTE_ORDER_MARK = "a byte order mark"
_HIDDEN_HINTS = {
    _CARRIAGE_RETURN: "Save it with Unix line ends (LF), not Windows ones.",
    _BYTE_ORDER_MARK: "Save it as UTF-8 without a byte order mark.",
}


def is_visible(character: str) -> bool:
    """Whether a reader sees a character for what it is; an agreement holds no others. A plain space counts."""
    return character == " " or not (
        unicodedata.category(character) in _INVISIBLE or character in _DRAWN_AS_NOTHING
    )


def _first_invisible(text: str) -> str:
    """Words for the first character that a reader could not see; empty if there is none."""
    if text.isascii() and text.isprintable():  # nearly all of an agreement is keys in base64
        return ""
    for character in text:
        if not is_visible(character):
            names = {"\r": _CARRIAGE_RETURN, "\ufeff": _BYTE_ORDER_MARK}
            return names.get(character, f"a control or invisible character (U+{ord(character):04X})")
    return ""


def _tree(text: str, where: str) -> Any:
    _require_few_dots(text, where)
    try:
        return _with_tuples(tomllib.loads(text))
    except tomllib.TOMLDecodeError as error:
        message, line = _without_place(str(error))
        raise ConfigError(
            f"{where} is not TOML.",
            hint="Mend the line that is named.",
            findings=(Finding(message, line=line),),
        ) from None
    except RecursionError:
        raise ConfigError(f"{where} is not an agreement: it is nested too deeply.") from None
    except ValueError:
        # tomllib lets Python's own limit on the digits of a number through as it is.
        raise ConfigError(f"{where} is not an agreement: it holds a number of thousands of digits.") from None


def _require_few_dots(text: str, where: str) -> None:
    # The time that tomllib takes grows with the square of a dotted key's parts: 40 seconds for a line of 60 kB.
    for number, line_text in enumerate(text.split("\n"), start=1):
        if line_text.count(".") > MOST_DOTS:
            raise ConfigError(
                f"{where} has more than {MOST_DOTS} dots in line {number}.", hint="Shorten the line."
            )


def _without_place(message: str) -> tuple[str, int | None]:
    """The parser's message without its place, and the line of that place."""
    found = re.fullmatch(r"(.*) \(at line (\d+), column \d+\)", message, re.DOTALL)
    return (found[1], int(found[2])) if found else (message, None)


def _with_tuples(tree: Any, depth: int = 0) -> Any:
    """TOML arrays as tuples: what is frozen must not hold a list.

    Raises:
        RecursionError: deeper than any agreement is.
    """
    if depth > MAX_DEPTH:
        raise RecursionError
    if isinstance(tree, dict):
        return {key: _with_tuples(value, depth + 1) for key, value in tree.items()}
    if isinstance(tree, list):
        return tuple(_with_tuples(value, depth + 1) for value in tree)
    return tree


def _invisible_values(tree: Any, lines: Lines, path: KeyPath = ()) -> Iterator[Finding]:
    """TOML escapes could put back what `_decode` keeps out, and reach a terminal or a reader's eye."""
    if isinstance(tree, str):
        hidden = _first_invisible(tree.replace("\n", " ").replace("\t", " "))
        if hidden:
            yield Finding(
                f"holds {hidden} by an escape: take it out", column=dotted(path), line=line_of(path, lines)
            )
    elif isinstance(tree, dict):
        for key, value in tree.items():
            if _first_invisible(key):
                yield Finding(
                    "a key holds an invisible character", column=dotted(path), line=line_of(path, lines)
                )
            else:
                yield from _invisible_values(value, lines, (*path, key))
    elif isinstance(tree, tuple):
        for index, value in enumerate(tree):
            yield from _invisible_values(value, lines, (*path, index))


def _model_findings(error: ValidationError, tree: Any, lines: Lines) -> Iterator[Finding]:
    """One finding a place; where a field may be one of two things, both refusals are told together."""
    rules: dict[KeyPath, list[str]] = {}
    for problem in error.errors(include_url=False):
        if problem["type"] == "too_short" and len(problem["input"]) >= problem["ctx"]["min_length"]:
            continue  # pydantic counts the entries that are right: the wrong ones are told by themselves
        path = _path_in(tree, problem["loc"], missing=problem["type"] == "missing")
        if not any(_first_invisible(part) for part in path if isinstance(part, str)):
            rules.setdefault(path, []).append(
                _plain_rule(problem["type"], problem["msg"], problem.get("ctx", {}))
            )
    for path, reasons in rules.items():
        yield Finding(" or ".join(dict.fromkeys(reasons)), column=dotted(path), line=line_of(path, lines))


def _path_in(tree: Any, loc: KeyPath, *, missing: bool) -> KeyPath:
    """The part of a location that stands in the file: the model adds names of its own alternatives to it."""
    for length, part in enumerate(loc):
        is_there = (
            part in tree if isinstance(tree, dict) else isinstance(tree, tuple) and isinstance(part, int)
        )
        if not is_there:
            return loc[: length + 1] if missing else loc[:length]
        tree = tree[part]
    return loc


_PLAIN_RULES = {
    "extra_forbidden": "unknown key: take it out or mend its spelling",
    "missing": "missing: add it",
    "string_type": "must be text in quotes",
    "int_type": "must be a whole number",
    "float_type": "must be a number",
    "finite_number": "must be a finite number",
    "bool_type": "must be true or false",
    "date_type": "must be a date such as 2027-01-31, without quotes or a time",
    "tuple_type": "must be a list in square brackets, or [[tables]]",
    "dict_type": "must be a table",
    "model_type": "must be a table",
    "string_too_short": "must not be empty",
}
_PLAIN_PATTERNS = {
    NAME_PATTERN: "must be a letter, then at most 39 letters, digits, - and _",
    _SHA256: "must be a SHA-256 as sha256sum prints it: 64 of 0-9 and a-f",
}


def _plain_rule(kind: str, message: str, context: dict[str, Any]) -> str:
    if kind == "string_pattern_mismatch":
        return _PLAIN_PATTERNS.get(context["pattern"], "must be one line of text, and not blank")
    if kind == "too_short":
        return f"must have {context['min_length']} entries or more"
    if kind == "too_long":
        return f"must have {context['max_length']} entries at most"
    plain = message.removeprefix("Value error, ").replace("Input should be", "must be")
    return _PLAIN_RULES.get(kind, plain[:1].lower() + plain[1:])


_MakeFinding = Callable[..., Finding]


def _contradictions(agreement: Agreement, lines: Lines) -> Iterator[Finding]:
    """What no single section can see: names that don't resolve, roles that are not filled."""

    def finding(rule: str, *path: int | str) -> Finding:
        return Finding(rule, column=dotted(path), line=line_of(path, lines))

    yield from _repeated(agreement, finding)
    yield from _roles_not_filled(agreement, finding)
    yield from _names_that_resolve_to_nothing(agreement, finding)
    if agreement.encoding.clk is not None:
        yield from _features_that_do_not_fit(agreement, agreement.encoding.clk, finding)
    if agreement.encoding.field_filters is not None:
        yield from _passes_that_do_not_fit(agreement, agreement.encoding.field_filters, finding)
        yield from _joining_by_nothing(agreement, agreement.encoding.field_filters, finding)
    for rule, path in profiles.breaches(agreement):
        yield finding(rule, *path)
    yield from _too_few_to_encode(agreement, finding)
    yield from _groups_of_nothing(agreement, finding)
    yield from _exceptions_of_nobody(agreement, finding)


def _repeated(agreement: Agreement, finding: _MakeFinding) -> Iterator[Finding]:
    groups = {
        "party": [party.id for party in agreement.party],
        "dataset": [dataset.name for dataset in agreement.dataset],
        "identifier": [identifier.name for identifier in agreement.identifier],
    }
    for section, names in groups.items():
        folded = [name.casefold() for name in names]
        for index, name in enumerate(names):
            if folded[index] in folded[:index]:
                yield finding(f"'{name}' is there twice (capitals don't tell names apart)", section, index)
    keys = [(index, party.keys) for index, party in enumerate(agreement.party) if party.keys]
    for position, (index, mine) in enumerate(keys):
        others = [other for _, other in keys[:position]]
        if any(
            mine.ed25519 == other.ed25519 or mine.ml_dsa_65 == other.ml_dsa_65 or mine.x_wing == other.x_wing
            for other in others
        ):
            yield finding("two parties share a public key: each makes its own", "party", index, "keys")


def _roles_not_filled(agreement: Agreement, finding: _MakeFinding) -> Iterator[Finding]:
    for role in ("matcher", "key-issuer"):
        holders = [party.id for party in agreement.party if role in party.roles]
        if len(holders) != 1:
            yield finding(f"exactly one party must be {role}; there are {len(holders)}", "party")
    for index, party in enumerate(agreement.party):
        if "department" in party.roles and not agreement.datasets_of(party.id):
            yield finding(f"department '{party.id}' brings no dataset", "party", index)
    research = [party.id for party in agreement.party if "research" in party.roles]
    named = [agreement.release.crosswalk_to] if agreement.release.crosswalk_to else []
    if research != named:
        yield finding(
            "release.crosswalk_to must name the one party whose role is research, and only it",
            "release",
            "crosswalk_to",
        )
    if len({dataset.party for dataset in agreement.dataset}) < 2:
        yield finding("the datasets come from a single department: nothing is hidden from anybody", "dataset")


def _names_that_resolve_to_nothing(agreement: Agreement, finding: _MakeFinding) -> Iterator[Finding]:
    departments = {party.id for party in agreement.party if "department" in party.roles}
    parties = {party.id for party in agreement.party}
    identifiers = {identifier.name for identifier in agreement.identifier}
    for index, dataset in enumerate(agreement.dataset):
        if dataset.party not in departments:
            yield finding("party is not a department of this agreement", "dataset", index, "party")
        for name in dataset.columns:
            if name not in identifiers:
                yield finding(f"no [[identifier]] is named '{name}'", "dataset", index, "columns", name)
    for index, identifier in enumerate(agreement.identifier):
        if not any(identifier.name in dataset.columns for dataset in agreement.dataset):
            yield finding("no dataset has this identifier", "identifier", index)
    for index, approval in enumerate(agreement.approval):
        if approval.party not in parties:
            yield finding("party is not in this agreement", "approval", index, "party")
    watched = {party.id for party in agreement.party if set(party.roles) & {"matcher", "key-issuer"}}
    for index, witness in enumerate(agreement.log.witnesses):
        if witness not in parties:
            yield finding("witness is not a party of this agreement", "log", "witnesses", index)
        if witness in watched:
            yield finding(
                "a coordinator can't be a witness of the logs that it keeps", "log", "witnesses", index
            )


def _features_that_do_not_fit(
    agreement: Agreement, clk: ClkParameters, finding: _MakeFinding
) -> Iterator[Finding]:
    kinds = agreement.kinds()
    features = clk.features
    encoded = [feature.identifier for feature in features]
    for index, feature in enumerate(features):
        path = ("encoding", "clk", "features", index, "identifier")
        if feature.identifier not in kinds:
            yield finding(f"no [[identifier]] is named '{feature.identifier}'", *path)
        elif feature.comparison == "numeric" and kinds[feature.identifier] not in {"number", "year-of-birth"}:
            yield finding("comparison numeric takes an identifier of kind number or year-of-birth", *path)
        if feature.identifier in encoded[:index]:
            yield finding("an identifier has two features", *path)
    for index, name in enumerate(kinds):
        if name not in encoded:
            yield finding("no feature encodes this identifier: take it out", "identifier", index)
    yield from _parts_that_do_not_fit(agreement, clk.match_keys, ("encoding", "clk", "match_keys"), finding)


def _passes_that_do_not_fit(
    agreement: Agreement, parameters: FieldFilterParameters, finding: _MakeFinding
) -> Iterator[Finding]:
    path = ("encoding", "field_filters", "passes")
    yield from _parts_that_do_not_fit(agreement, parameters.passes, path, finding)
    if len(agreement.identifier) > MOST_FIELDS:
        yield finding(
            f"scheme field-filters compares at most {MOST_FIELDS} identifiers", "identifier", MOST_FIELDS
        )


def _joining_by_nothing(
    agreement: Agreement, parameters: FieldFilterParameters, finding: _MakeFinding
) -> Iterator[Finding]:
    """Nobody would be joined, and of a person's records in a block one alone be sent and compared all the same."""
    if parameters.join_at_home and not can_be_joined(agreement.kinds().values()):
        yield finding(
            "records are joined by names and date-of-birth: without identifiers of these kinds, set it to false",
            *("encoding", "field_filters", "join_at_home"),
        )


def _parts_that_do_not_fit(
    agreement: Agreement, declared: tuple[AgreedPass, ...], path: KeyPath, finding: _MakeFinding
) -> Iterator[Finding]:
    names = [each.name for each in declared]
    for index, each in enumerate(declared):
        problem = blocking.problem_of(each.blocking_pass(), agreement.kinds())
        if problem:
            yield finding(problem, *path, index, "parts")
        if each.name in names[:index]:
            yield finding(f"two {str(path[-1]).replace('_', ' ')} have one name", *path, index, "name")


def _too_few_to_encode(agreement: Agreement, finding: _MakeFinding) -> Iterator[Finding]:
    least = agreement.encoding.min_identifiers
    if least > len(agreement.identifier):
        yield finding("more than there are identifiers", "encoding", "min_identifiers")
        return
    for index, dataset in enumerate(agreement.dataset):
        if len(dataset.columns) < least:
            rule = "fewer than encoding.min_identifiers: none of its records could be compared"
            yield finding(rule, "dataset", index, "columns")


def _groups_of_nothing(agreement: Agreement, finding: _MakeFinding) -> Iterator[Finding]:
    kinds = set(agreement.kinds().values())
    for index, grouping in enumerate(agreement.release.rates_by):
        if not can_be_grouped(grouping, kinds):
            yield finding(
                f"no identifier is of kind {' or '.join(KINDS_TOLD_FROM[grouping])}",
                "release",
                "rates_by",
                index,
            )


def _exceptions_of_nobody(agreement: Agreement, finding: _MakeFinding) -> Iterator[Finding]:
    for index, each in enumerate(agreement.privacy.risk.exception if agreement.privacy.risk else ()):
        if each.holder not in agreement.holders():
            yield finding(
                "one party is both matcher and key-issuer: what counts is what it may name with both, 'together'",
                "privacy",
                "risk",
                "exception",
                index,
                "holder",
            )
