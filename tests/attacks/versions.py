"""Attacks on agreements: an older version, two texts of one version, and a text that gives somebody two hats."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import date
from typing import Any

from pprl import signing
from pprl.crypto import exchange
from pprl.errors import ConfigError, ProtocolError, VerificationError
from pprl.files import seen
from pprl.files.seen import Seen
from pprl.protocol import agreement as agreements
from pprl.protocol.agreement import AgreementFile
from tests.attacks.ground import fresh, made
from tests.attacks.registry import Attack, cut, remove
from tests.support.project import MATCHER, TODAY
from tests.unit.crypto.signed_agreement import FIRST, agreement, second

SECOND = second()
OTHER_FIRST = replace(FIRST, raw=b"the first version, with a word changed\n")


def rolled_back() -> Any:
    return Seen().with_agreement(SECOND).with_agreement(FIRST)


def other_text_of_one_version() -> Any:
    return Seen().with_agreement(FIRST).with_agreement(OTHER_FIRST)


def after_another_first() -> Any:
    """A first version that was made up, without the party that is to go, is what the second follows."""
    return Seen().with_agreement(OTHER_FIRST).with_agreement(SECOND)


def after_made_up_ones() -> Any:
    """The third version follows a second that nobody has signed, and that a party of the first is not in."""
    return Seen().with_agreement(FIRST).with_agreement(agreement(b"the third", version=3, previous=SECOND))


def signed_in_spite_of(seen_before: AgreementFile) -> Callable[[], Any]:
    """A party that has worked under one text is brought to sign the project's first."""

    def attempt() -> Any:
        project = fresh()
        key = project.key(MATCHER)
        seen.change(seen.path_beside(key, MATCHER), lambda _: Seen().with_agreement(seen_before))
        signing.sign(
            project.agreement, project.agreement_path, project.identity(MATCHER), key,
            previous=None, today=TODAY, force=True,
        )  # fmt: skip

    return attempt


def not_compared() -> Any:
    heard = Seen().with_heard(FIRST, ["south"], today=TODAY)
    return heard.require_heard(FIRST, ["south", "office"])


def compared_another_text() -> Any:
    heard = Seen().with_heard(OTHER_FIRST, ["south", "office"], today=TODAY)
    return heard.require_heard(FIRST, ["south", "office"])


def text_of(*changes: tuple[str, str]) -> Callable[[], AgreementFile]:
    """The small project's agreement with some words exchanged."""

    def attempt() -> AgreementFile:
        text = made().agreement_path.read_text("utf-8")
        for old, new in changes:
            assert old in text, "the agreement of the tests no longer says so"
            text = text.replace(old, new, 1)
        return agreements.parse(text.encode(), where="agreement.toml")

    return attempt


def shared_key() -> Any:
    content = made().agreement.content
    mine, others = content.party_named(MATCHER).keys, content.party_named("police-dept").keys
    assert mine is not None
    assert others is not None
    return text_of((mine.ed25519, others.ed25519))()


def on(day: date) -> Callable[[], Any]:
    return lambda: exchange.require_in_force(made().agreement, today=day)


OLDER = cut(Seen, "with_agreement", "is over")
FOLLOWED = cut(Seen, "with_agreement", "follows another version")
BETWEEN = cut(Seen, "with_agreement", "between was not seen")
OTHER_BYTES = cut(Seen, "with_agreement", "with other bytes")
HEARD = cut(Seen, "require_heard", "have not been compared yet")
WITNESSES = remove(
    agreements, "_names_that_resolve_to_nothing", lambda *_: iter(()), refuses=agreements.parse
)
REPEATED = remove(agreements, "_repeated", lambda *_: iter(()), refuses=agreements.parse)
OUT_OF_TIME = remove(agreements, "out_of_time", lambda *_, **__: iter(()), refuses=exchange.require_in_force)

ATTACKS = (
    Attack("rolled-back agreement", "a party is led back to a version that was replaced",
           rolled_back, VerificationError, "is over", [OLDER]),
    Attack("two texts of one version", "a party is shown another text of the version that it worked under",
           other_text_of_one_version, VerificationError, "seen before with other bytes", [OTHER_BYTES]),
    Attack("a next version of another one", "the second version follows a first that was made up to leave a party out",
           after_another_first, VerificationError, "follows another version 1", [FOLLOWED]),
    Attack("a version left out", "the third version follows a second that was made up to leave a party out",
           after_made_up_ones, ProtocolError, "between was not seen", [BETWEEN]),
    Attack("a signature of an older version", "a party is brought to sign a version that was replaced",
           signed_in_spite_of(agreement(version=2, previous=FIRST, project="small")), VerificationError,
           "is over", [OLDER]),
    Attack("a signature of another text", "a party is brought to sign a second text of the version it works under",
           signed_in_spite_of(agreement(project="small")), VerificationError, "seen before with other bytes",
           [OTHER_BYTES]),
    Attack("words not compared", "a coordinator that made up the other parties hopes that nobody telephones",
           not_compared, ProtocolError, "not been compared yet with: office", [HEARD]),
    Attack("words of another text compared", "the words of one text are compared, and another is used",
           compared_another_text, ProtocolError, "not been compared yet", [HEARD]),
    Attack("a coordinator as witness of its log", "the agreement lets the matcher watch its own log",
           text_of(('witnesses = ["police-dept"', f'witnesses = ["{MATCHER}"')), ConfigError,
           "can't be a witness of the logs that it keeps", [WITNESSES]),
    Attack("one key for two parties", "the agreement gives two parties one key, which then signs twice",
           shared_key, ConfigError, "two parties share a public key", [REPEATED]),
    Attack("a run after the agreement's end", "somebody goes on with an agreement that has ended",
           on(date(2091, 1, 1)), ConfigError, "expired on 2090-12-31", [OUT_OF_TIME]),
)  # fmt: skip
