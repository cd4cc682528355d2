"""Attacks on risk statements: by a department whose table does not pass, and that has cut out its own gate."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import cache
from typing import Any

from coordinator import intake, operations
from coordinator.store.stages import Role
from pprl import department
from pprl.crypto import risk_statements, statements
from pprl.crypto.statements import claimed, sign_statement
from pprl.errors import DisclosureError, FormatError, VerificationError
from pprl.files.holdings import RiskFiles
from pprl.protocol import canonical, dsse, risk_statement
from pprl.protocol.agreement import Risk
from pprl.protocol.risk_statement import RISK_STATEMENT_KIND, Attacked, Controls, RiskStatement
from pprl.protocol.signatures import SIGNATURE_KIND
from tests.attacks.ground import fresh, store_of
from tests.attacks.registry import Attack, Removal, remove
from tests.support import risk
from tests.support.people import tables
from tests.support.project import Project

POLICE, COURT, POLICE_DEPT, COURT_DEPT = "police", "court", "police-dept", "court-dept"
RECORDS = len(tables()[POLICE]["person_id"])


@cache
def limiting() -> Project:
    """The small project under an agreement that limits attackers, with a matcher's store that has received nothing."""
    project = fresh()
    project.limit()
    project.open_store(Role.MATCHER)
    return project


@cache
def excepting_another() -> Project:
    """The same where more is accepted of the key issuer, and of both together, but not of the matcher."""
    project = fresh()
    project.limit()
    other = project.limiting(
        risk.RISK + risk.exception("key-issuer") + risk.exception("together"), name="other.toml"
    )
    project.adopt(other)
    project.open_store(Role.MATCHER)
    return project


def trusting(raw: bytes, *, kind: str, keys: object, what: str) -> Any:
    """What a statement claims, with nobody's keys asked."""
    payload = claimed(raw, what=what).payload
    claims = canonical.loads(payload)["predicateType"].split(":")[2]
    return dsse.parse_statement(payload, kind=claims, what=what)


def nobody_asks(*_: object) -> bytes:
    return b""


def nothing_wrong(*_: object) -> tuple[()]:
    return ()


def of_anybody(self: Risk, _holder: str) -> Any:
    """An exception of whatever holder."""
    return self.exception[0] if self.exception else None


THERE = remove(intake, "require_attacked", nobody_asks, number=1)
KEYS = remove(risk_statements, "open_statement", trusting, check=statements.open_statement, number=1)
AGREEMENT = remove(risk_statements, "_check_agreement", number=2)
DATASET = remove(risk_statements, "_check_dataset", number=3)
ROWS = remove(risk_statements, "_check_rows", number=1)
UPPER = remove(risk_statement, "_require_upper_end")


def judged(name: str, number: int) -> Removal:
    """One of the rules by which a statement passes."""
    return remove(
        risk_statement,
        name,
        nothing_wrong,
        refuses=risk_statements._check_passes,
        number=number,
    )


PEOPLE = judged("_wrong_people", 1)
FEW = judged("_too_few_records", 2)
MANY = judged("_too_many_records", 3)
CONTROLS = judged("_wrong_controls", 4)
LEFT_OUT = judged("_left_out", 5)
LIMIT = judged("_above_the_limit", 6)
EXCEPTION = remove(Risk, "exception_of", of_anybody, refuses=risk_statements._check_passes, number=6)


def root(project: Project) -> str:
    """The root of the police's rows, as they are."""
    raw = project.stated(POLICE).statement
    return str(canonical.loads(claimed(raw, what="it").payload)["subject"][0]["digest"]["sha256"])


def statement(project: Project, **changes: Any) -> RiskStatement:
    return risk.passing(project.agreement, POLICE, RECORDS, **changes)


def first(project: Project, **changes: Any) -> tuple[Attacked, ...]:
    """All attacks, the first of them with other figures."""
    attacks = risk.attacks(project.agreement.content, RECORDS)
    return (risk.attacked(attacks[0], **changes), *attacks[1:])


def sent(made: Callable[[Project], bytes], on: Callable[[], Project] = limiting) -> Callable[[], Any]:
    """The matcher receives a submission with this in the place of its risk statement."""

    @cache
    def submission() -> bytes:
        return on().bypassing(POLICE, made(on()))

    def attempt() -> Any:
        return operations.receive(store_of(fresh(on()), Role.MATCHER), submission())

    return attempt


def told(on: Callable[[], Project] = limiting, *, by: str = POLICE_DEPT, **changes: Any) -> Callable[[], Any]:
    """The same with a statement that says something else, well signed."""
    return sent(
        lambda project: risk.sign(project.identity(by), statement(project, **changes), root(project)), on
    )


def with_attack(**changes: Any) -> Callable[[], Any]:
    return sent(
        lambda project: risk.sign(
            project.identity(POLICE_DEPT),
            statement(project, attacks=first(project, **changes)),
            root(project),
        )
    )


def changed_after_signing(project: Project) -> bytes:
    """Twenty people were named, and after signing it says that nobody was."""
    named = statement(project, attacks=first(project, named=20))
    signed = dsse.parse_envelope(risk.sign(project.identity(POLICE_DEPT), named, root(project)), what="it")
    nobody = canonical.loads(signed.payload)
    nobody["predicate"] = statement(project).to_predicate()
    return dsse.write_envelope(replace(signed, payload=canonical.dumps(nobody)))


def with_another_upper_end(project: Project) -> bytes:
    """Twenty people were named, which are said to be three of 10,000 at most."""
    predicate = statement(project, attacks=first(project, named=20)).to_predicate()
    predicate["attacks"][0]["upper_per_10000"] = 3
    return signed_as(project, predicate=predicate)


def signed_as(project: Project, **changes: Any) -> bytes:
    signed = {
        "kind": RISK_STATEMENT_KIND,
        "subject": POLICE,
        "sha256": root(project),
        "predicate": statement(project).to_predicate(),
        **changes,
    }
    return sign_statement(project.identity(POLICE_DEPT), **signed)


def at_home(made: Callable[[Project], RiskFiles | None]) -> Callable[[], Any]:
    """The department itself encodes, with this in its holdings."""

    def attempt() -> Any:
        project = limiting()
        me, agreed = project.signatory(POLICE_DEPT), project.agreement.content.dataset_named(POLICE)
        table = department.open_dataset(project.data(POLICE), agreed, encoding=None, delimiter=None)
        secret = project.held_secret(POLICE_DEPT)
        return department.encode_and_seal(
            table, agreed, me, secret, risk=made(project), seen=lambda _rows: None
        )

    return attempt


def of_another_table(project: Project) -> RiskFiles:
    return RiskFiles(risk.sign(project.identity(POLICE_DEPT), statement(project), "0" * 64), risk.SALT_KEY)


AT_HOME = remove(department, "require_attacked")

ATTACKS = (
    Attack("none at home", "a department encodes a table that it has not attacked",
           at_home(lambda _: None), DisclosureError, "has none", [AT_HOME]),
    Attack("another table at home", "a department attacks a harmless table, and encodes another",
           at_home(of_another_table), VerificationError, "the table has changed", [ROWS]),
    Attack("none", "a department sends encodings that it has not attacked",
           sent(lambda _: b""), DisclosureError, "come without the risk statement", [THERE]),
    Attack("forged", "a department that does not bring the dataset signs its statement",
           told(by=COURT_DEPT), VerificationError, "Ed25519", [KEYS]),
    Attack("figures changed", "those who were named are taken out after the statement was signed",
           sent(changed_after_signing), VerificationError, "Ed25519", [KEYS]),
    Attack("another kind of statement", "what a department signed for another purpose is put forward",
           sent(lambda project: signed_as(project, kind=SIGNATURE_KIND)), FormatError, "predicateType", [KEYS]),
    Attack("a smaller upper end", "a statement counts those who were named, and bounds them too low",
           sent(with_another_upper_end), FormatError, "not the one of its named and of", [UPPER]),
    Attack("another agreement's", "a statement of encodings under another agreement, which were stronger",
           told(agreement_sha256="5" * 64), VerificationError, "another agreement", [AGREEMENT]),
    Attack("another dataset's", "a statement about another dataset, whose people are harder to name",
           sent(lambda project: signed_as(project, predicate=statement(project, dataset=COURT).to_predicate())),
           VerificationError, "another dataset", [DATASET]),
    Attack("another dataset's subject", "a statement whose subject is another dataset",
           sent(lambda project: signed_as(project, subject=COURT)), VerificationError, "another dataset", [DATASET]),
    Attack("another table's", "a statement about other rows of the same dataset",
           sent(lambda project: signed_as(project, sha256="0" * 64)), VerificationError, "the table has changed",
           [ROWS]),
    Attack("weaker attackers", "attackers who recognise fewer people than agreed",
           told(known_people=4), DisclosureError, "are agreed", [PEOPLE]),
    Attack("a few records", "a handful of records is attacked, where attackers do badly",
           told(records=9), DisclosureError, "only 9 records", [FEW, MANY]),
    Attack("records that are not there", "attacks count more records, and so a smaller share is named",
           with_attack(of=1_000_000, named=20), DisclosureError, "counts more records", [MANY]),
    Attack("attackers who can't attack", "attackers who can't name people in a plain CLK either",
           told(controls=Controls(8_000, 0)), DisclosureError, "in a plain CLK", [CONTROLS]),
    Attack("attackers who are told", "attackers who name people in random bits, and so were told",
           told(controls=Controls(9_900, 4_000)), DisclosureError, "in random bits", [CONTROLS]),
    Attack("an attack left out", "the attack that names people is left out",
           sent(lambda project: risk.sign(
               project.identity(POLICE_DEPT),
               statement(project, attacks=risk.attacks(project.agreement.content, RECORDS)[1:]), root(project))),
           DisclosureError, "was not made", [LEFT_OUT]),
    Attack("an attack not finished", "the attack that names people is stopped before it does",
           with_attack(finished=False, of=0, named=0, wrong=0), DisclosureError, "did not come to its end", [LEFT_OUT]),
    Attack("the limit exceeded", "more people are named than agreed",
           with_attack(named=20), DisclosureError, "of 10,000 people may be named", [LIMIT]),
    Attack("exception of another holder", "more is accepted of the key issuer, and the matcher may name them",
           told(excepting_another), DisclosureError, "matcher: up to", [EXCEPTION]),
)  # fmt: skip
