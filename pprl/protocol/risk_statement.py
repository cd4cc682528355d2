"""What a department states after it has attacked its own encodings: whom each attacker named, and whether that passes.

The statement is a signed statement of kind `risk-statement` (docs/formats/risk-statement.md) about one table: its
subject is the dataset, its digest the root of the rows that were attacked. It holds counts and no more: nothing in it
is about a person.

This module owns the value, its spelling and the judgement; `pprl.crypto.risk_statements` signs and verifies. Figures
that follow from others are worked out anew, and a statement that has another one is none.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Literal, get_args

from pprl.errors import Finding, FormatError
from pprl.protocol import members
from pprl.protocol.agreement import Agreement, Holder, Risk, Scheme

RISK_STATEMENT_KIND = "risk-statement"
FORMAT = "pprl-risk-statement"
VERSION = 1
MOST_ATTACKS = 400
PER = 10_000
CONFIDENCE = 0.95

ListKind = Literal["very file", "light", "heavy"]
Knowledge = Literal["nobody", "known people"]

VERY_FILE: ListKind = "very file"
EVERYBODY = 100
LEAST_OF_PLAIN_CLK = 9_000
MOST_OF_RANDOM_BITS = 100
"""Controls: the attackers name nearly all of a plain CLK, and of random bits hardly anybody, or they show nothing."""

LEAKED_SECRET = "dictionary"  # noqa: S105 - the name of an attack
"""The attack that has the secret: told, to show what a leak would cost, and never judged."""

NOBODY: tuple[Knowledge, ...] = ("nobody",)
KNOWN: tuple[Knowledge, ...] = ("known people",)
BOTH = (*NOBODY, *KNOWN)

REQUIRED: Mapping[Scheme, Mapping[Holder, Mapping[str, tuple[Knowledge, ...]]]] = {
    "clk": {
        "matcher": {"spectral": NOBODY, "patterns": NOBODY, "embedding": KNOWN, "propagation": KNOWN},
        "key-issuer": {},
        "together": {},
    },
    "field-filters": {
        "matcher": {"block_frequency": NOBODY, "in_blocks": BOTH},
        "key-issuer": {"pair_graph": BOTH},
        "together": {"record_blocks": BOTH},
    },
}
"""By scheme and holder, the attacks that must have been made and ended, with the very file in the attacker's hands,
everybody on it: recognising nobody, or as many people as agreed. In scheme `clk` the key issuer gets pairs of the
matcher's choice and the two together see no more than the matcher."""

_MEMBERS = {
    "agreement_sha256", "attacks", "blind", "controls", "dataset", "format", "known_people", "records", "seed",
    "version",
}  # fmt: skip
_OF_CONTROLS = {"plain_clk", "random_bits"}
_OF_ATTACK = {
    "attack", "finished", "holder", "known", "list", "named", "of", "overlap", "seconds", "upper_per_10000", "wrong",
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Attacked:
    """How one attack went.

    Attributes:
        attack: which: the name of a module of `pprl.privacy`.
        holder: whose view it had.
        list: what the attacker's list has in common with the table, record by record.
        overlap: how many in a hundred of the table's people are on it.
        known: people whom the attacker recognised to begin with.
        of: records that could be named: of people on the list, and not known; one that any pass names counts once.
        named: of these, how many were given the right person.
        wrong: records that were given a wrong person.
        upper_per_10000: upper end of a one-sided 95 % interval for the share named, in 10,000, rounded up.
        finished: whether it came to its end within the time that it had. One that did not has counted nobody: what
            it had named so far would be no bound.
        seconds: how long it took.
    """

    attack: str
    holder: Holder
    list: ListKind
    overlap: int
    known: int
    of: int
    named: int
    wrong: int
    upper_per_10000: int
    finished: bool
    seconds: int

    def __post_init__(self) -> None:
        members.name(self.attack, "The attack of a risk statement")
        _one_of(self.holder, get_args(Holder), "The holder of an attack")
        _one_of(self.list, get_args(ListKind), "The list of an attack")
        for name in ("overlap", "known", "of", "named", "wrong", "seconds"):
            members.count(getattr(self, name), f"The {name} of an attack")
        if type(self.finished) is not bool:
            raise FormatError("The finished of an attack must be true or false.")
        if not 1 <= self.overlap <= EVERYBODY or self.named > self.of:
            raise FormatError("An attack has more people than there are.")
        if not self.finished and (self.of or self.named or self.wrong):
            raise FormatError("An attack that did not come to its end counts people.")
        members.count(self.upper_per_10000, "The upper_per_10000 of an attack")
        _require_upper_end(self)

    @classmethod
    def counted(
        cls,
        attack: str,
        holder: Holder,
        known_list: ListKind,
        *,
        overlap: int,
        known: int,
        of: int,
        named: int,
        wrong: int,
        finished: bool,
        seconds: int,
    ) -> Attacked:
        """The same with its upper end worked out; see the class for what the arguments are."""
        upper = upper_per_10000(named, of)
        return cls(attack, holder, known_list, overlap, known, of, named, wrong, upper, finished, seconds)

    @property
    def what(self) -> tuple[str, Holder, ListKind, int, int]:
        """Which attack it was, with which knowledge: a statement has each once."""
        return self.attack, self.holder, self.list, self.overlap, self.known

    def to_members(self) -> dict[str, Any]:
        """The members of its object."""
        return {name: getattr(self, name) for name in sorted(_OF_ATTACK)}


@dataclass(frozen=True, slots=True)
class Controls:
    """What the attackers did to encodings of which it is known how they must fare.

    Attributes:
        plain_clk: of 10,000 records of a plain CLK, how many were named.
        random_bits: of 10,000 records of random bits.
    """

    plain_clk: int
    random_bits: int

    def __post_init__(self) -> None:
        for name in sorted(_OF_CONTROLS):
            if members.count(getattr(self, name), f"The {name} of the controls") > PER:
                raise FormatError(f"The {name} of the controls is of more than {PER}.")


@dataclass(frozen=True, slots=True)
class RiskStatement:
    """Whom attackers named in a table.

    Attributes:
        agreement_sha256: the agreement under which it was encoded.
        dataset: which table.
        records: how many of its records were attacked.
        blind: how many of them guessing would name.
        known_people: the agreed number of people whom an attacker recognises.
        controls: what shows that the attackers work.
        seed: of the attackers' random choices.
        attacks: how each went.
    """

    agreement_sha256: str
    dataset: str
    records: int
    blind: int
    known_people: int
    controls: Controls
    seed: int
    attacks: tuple[Attacked, ...]

    def __post_init__(self) -> None:
        members.text(self.agreement_sha256, members.SHA256, "The agreement_sha256 of a risk statement")
        members.name(self.dataset, "The dataset of a risk statement")
        for name in ("records", "blind", "known_people", "seed"):
            members.count(getattr(self, name), f"The {name} of a risk statement")
        if len(self.attacks) > MOST_ATTACKS:
            raise FormatError(f"A risk statement has more than {MOST_ATTACKS} attacks.")
        if len({each.what for each in self.attacks}) < len(self.attacks):
            raise FormatError("A risk statement has an attack twice.")

    def to_predicate(self) -> dict[str, Any]:
        """The members of the statement's predicate."""
        return {
            "agreement_sha256": self.agreement_sha256,
            "attacks": [each.to_members() for each in self.attacks],
            "blind": self.blind,
            "controls": {name: getattr(self.controls, name) for name in sorted(_OF_CONTROLS)},
            "dataset": self.dataset,
            "format": FORMAT,
            "known_people": self.known_people,
            "records": self.records,
            "seed": self.seed,
            "version": VERSION,
        }

    @classmethod
    def from_predicate(cls, tree: Any) -> RiskStatement:
        """Read a predicate, strictly.

        Raises:
            FormatError: anything else, such as an upper end that isn't the one of its counts; no other exception.
        """
        found = dict(members.an_object(tree, _MEMBERS, "A risk statement"))
        members.constant(found.pop("format"), FORMAT, "The format of a risk statement")
        members.constant(found.pop("version"), VERSION, "The version of a risk statement")
        controls = members.an_object(found.pop("controls"), _OF_CONTROLS, "The controls of a risk statement")
        attacks = found.pop("attacks")
        if not isinstance(attacks, list) or len(attacks) > MOST_ATTACKS:
            raise FormatError(f"The attacks of a risk statement must be an array of {MOST_ATTACKS} at most.")
        return cls(
            controls=Controls(**controls),
            attacks=tuple(
                Attacked(**members.an_object(each, _OF_ATTACK, "An attack of a risk statement"))
                for each in attacks
            ),
            **found,
        )

    def worst_of(self, holder: Holder) -> int:
        """The highest upper end of all attacks that came to their end, are judged, and saw no more than a holder sees.

        Both together see what each of them sees. An attack that was stopped says nothing: those that may not be are
        `REQUIRED`.
        """
        return max(
            (
                each.upper_per_10000
                for each in self.attacks
                if each.finished
                and each.attack != LEAKED_SECRET
                and each.known <= self.known_people
                and holder in (each.holder, "together")
            ),
            default=0,
        )


def judge(statement: RiskStatement, agreement: Agreement, *, rows: int | None = None) -> tuple[Finding, ...]:
    """Whether a statement passes: the department runs this before it encodes, the matcher when it has received.

    1. The attackers recognise the agreed number of people.
    2. As many records were attacked as agreed: at least a quarter of those that there are, or of the agreed.
       (Records with too few identifiers, copies and households cut in two are not attacked.)
    3. No more records were attacked than there are, and no attack counts more than these in all passes.
    4. The controls show that the attackers work.
    5. Every attack that `REQUIRED` names was made, and came to its end.
    6. No holder named more than agreed: the worst of all attacks by those who recognise no more than that number.

    Args:
        statement: what the department states.
        agreement: sets the limits. Nothing passes where it sets none.
        rows: records in the table; by default the fewest that the agreement expects.

    Returns:
        What is wrong with it; nothing if it passes.
    """
    risk = agreement.privacy.risk
    if risk is None:
        return (Finding("the agreement asks for no risk statement"),)
    fewest = agreement.dataset_named(statement.dataset).expected_rows_min if rows is None else rows
    return (
        *_wrong_people(statement, risk),  # 1
        *_too_few_records(statement, min(risk.people, fewest)),  # 2
        *_too_many_records(statement, agreement, rows),  # 3
        *_wrong_controls(statement),  # 4
        *_left_out(statement, agreement, risk),  # 5
        *_above_the_limit(statement, agreement, risk),  # 6
    )


def required(scheme: Scheme) -> Iterator[tuple[Holder, str, Knowledge]]:
    """Holder, attack and knowledge of every attack that a scheme requires, in the order of `REQUIRED`."""
    for holder, attacks in REQUIRED[scheme].items():
        for attack, levels in attacks.items():
            yield from ((holder, attack, known) for known in levels)


def upper_per_10000(named: int, of: int) -> int:
    """Upper end of the one-sided 95 % interval for a share, in 10,000, rounded up.

    It is the least whole number m for which so few as `named` of `of` would be named with a chance of 5 % or less, if
    m in 10,000 were.

    Args:
        named: how many of them were named.
        of: how many there were; of none nothing is known, and the end is 10,000.

    Source: Clopper and Pearson (1934), The use of confidence or fiducial limits illustrated in the case of the
        binomial, Biometrika 26, 404-413.
    """
    from scipy.special import betaincinv  # noqa: PLC0415 - takes a third of a second to import

    if named >= of:
        return PER
    return math.ceil(PER * float(betaincinv(named + 1, of - named, CONFIDENCE)) - 1e-9)


def _wrong_people(statement: RiskStatement, risk: Risk) -> Iterator[Finding]:
    if statement.known_people != risk.known_people:
        yield Finding(
            f"its attackers recognise {statement.known_people} people, and {risk.known_people} are agreed"
        )


def _too_few_records(statement: RiskStatement, agreed: int) -> Iterator[Finding]:
    if 4 * statement.records < agreed:
        yield Finding(f"only {statement.records} records were attacked, of {agreed}")


def _too_many_records(statement: RiskStatement, agreement: Agreement, rows: int | None) -> Iterator[Finding]:
    if rows is not None and statement.records > rows:
        yield Finding(f"{statement.records} records were attacked, and there are {rows}")
    filters = agreement.encoding.field_filters
    most = statement.records * (len(filters.passes) if filters else 1)
    if any(each.of > most for each in statement.attacks):
        yield Finding("an attack counts more records than were attacked")


def _wrong_controls(statement: RiskStatement) -> Iterator[Finding]:
    controls = statement.controls
    if controls.plain_clk <= LEAST_OF_PLAIN_CLK:
        yield Finding(
            f"its attackers name {controls.plain_clk} of 10,000 in a plain CLK: they must name more than "
            f"{LEAST_OF_PLAIN_CLK}, or they show nothing"
        )
    if controls.random_bits > MOST_OF_RANDOM_BITS:
        yield Finding(
            f"its attackers name {controls.random_bits} of 10,000 in random bits: no more than "
            f"{MOST_OF_RANDOM_BITS} can be luck"
        )


def _left_out(statement: RiskStatement, agreement: Agreement, risk: Risk) -> Iterator[Finding]:
    finished = {each.what: each.finished for each in statement.attacks}
    for holder, attack, known in required(agreement.encoding.scheme):
        people = risk.known_people if known == "known people" else 0
        what = (attack, holder, VERY_FILE, EVERYBODY, people)
        if not finished.get(what, False):
            fault = "did not come to its end" if what in finished else "was not made"
            yield Finding(f"the attack '{attack}' ({holder}, who recognises {people}) {fault}")


def _above_the_limit(statement: RiskStatement, agreement: Agreement, risk: Risk) -> Iterator[Finding]:
    for holder in agreement.holders():
        worst, accepted = statement.worst_of(holder), risk.accepted_of(holder)
        if worst > accepted:
            yield Finding(
                f"{holder}: up to {worst} of 10,000 people may be named, and {accepted} are agreed",
                column=f"privacy.risk.{holder}",
            )


def _require_upper_end(attack: Attacked) -> None:
    if attack.upper_per_10000 != upper_per_10000(attack.named, attack.of):
        raise FormatError("The upper_per_10000 of an attack is not the one of its named and of.")


def _one_of(value: Any, values: tuple[str, ...], what: str) -> None:
    if not isinstance(value, str) or value not in values:
        raise FormatError(f"{what} must be one of: {', '.join(values)}.")
