"""What attacks came to, in words and rows that an auditor reads; the same for the screen and for the page. Pure.

Never a value, and never the word "safe": an encoding resists the attacks that are implemented, or it doesn't.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from math import ceil
from typing import Any

from pprl.errors import Finding
from pprl.privacy.attempts import Knowledge
from pprl.privacy.battery import Risk, Tried
from pprl.privacy.measure import PER, Named
from pprl.protocol.agreement import Holder
from pprl.protocol.risk_statement import (
    EVERYBODY,
    LEAST_OF_PLAIN_CLK,
    MOST_OF_RANDOM_BITS,
    VERY_FILE,
    ListKind,
)

HOLDERS: Mapping[Holder, str] = {
    "matcher": "the matcher",
    "key-issuer": "the key issuer",
    "together": "the two together",
}
_SEES: Mapping[Holder, str] = {
    "matcher": "the matcher sees",
    "key-issuer": "the key issuer sees",
    "together": "matcher and key issuer see together",
}
LISTS: Mapping[ListKind, str] = {
    VERY_FILE: "the very file",
    "light": "another office's, few errors",
    "heavy": "another office's, many errors",
}
HEADER = ("seen by", "list", "people on it", "recognised", "worst attack", "named", "at most")
ATTACKS_HEADER = (
    "attack", "seen by", "list", "people on it", "recognised", "could be named", "named", "named wrongly", "in 10,000",
    "at most", "seconds",
)  # fmt: skip

CAUTION = (
    "An encoding that resists the attacks implemented may fall to others. A low figure for a large file, or for a list "
    "with few of its people, is no evidence: attackers get better."
)


TWO_FILES = (
    "Attackers in the place of the key issuer, and of the two together, hold another office's file besides this one; "
    "in the matcher's place they hold this one alone. With both they would name more, and so would the two together."
)


def per_10000(named: Named) -> int:
    """How many of 10,000 records were named."""
    return round(PER * named.right / named.of) if named.of else 0


def blind_per_10000(risk: Risk) -> int:
    """How many of 10,000 guessing would name: one on a list."""
    return min(PER, ceil(PER / max(1, risk.records)))


def counting(risk: Risk, holder: Holder | None = None) -> list[Tried]:
    """Attempts that count for a holder, or for any: finished, without the secret, recognising no more than agreed.

    The two together see what each of them sees.
    """
    return [
        each
        for each in risk.tried
        if each.finished
        and not each.attempt.attack.has_secret
        and each.attempt.knowledge.known <= risk.known_people
        and holder in (None, "together", each.attempt.attack.holder)
    ]


def worst(tried: Iterable[Tried]) -> Tried | None:
    """The attempt whose upper end is highest; None of none."""
    return max(tried, key=lambda each: (each.named.upper, per_10000(each.named)), default=None)


def with_secret(risk: Risk) -> int | None:
    """How many of 10,000 fall to who has the secret and the very file; None if that was not tried."""
    found = [per_10000(each.named) for each in risk.tried if each.attempt.attack.has_secret and each.finished]
    return max(found, default=None)


def unfinished(risk: Risk) -> list[Tried]:
    """Attempts that did not come to their end."""
    return [each for each in risk.tried if not each.finished]


def unended(risk: Risk, holder: Holder | None = None) -> bool:
    """Whether an attack that counts for a holder, or for any, did not come to its end: more may be named then."""
    return any(
        not each.attempt.attack.has_secret
        and each.attempt.knowledge.known <= risk.known_people
        and holder in (None, "together", each.attempt.attack.holder)
        for each in unfinished(risk)
    )


def sentence(risk: Risk) -> str:
    """The one sentence for the auditor."""
    found = worst(counting(risk))
    if found is None:
        return (
            "No attack came to its end in the time that it had. Nothing is known: give more with --budget, or leave "
            "out what a statement can do without with --required."
        )
    if not risk.valid:
        return f"These attacks show nothing: {control_words(risk)}"
    leaked = with_secret(risk)
    parts = [
        f"Worst known attack: {per_10000(found.named):,} of 10,000 people named (at most {found.named.upper:,}, at"
        f" 95 % confidence), by someone who {knowledge_words(found)}.",
        "Some attacks did not come to their end, and may name more." if unended(risk) else "",
        f"Blind guessing would name {blind_per_10000(risk):,}.",
        f"If the secret leaked it would be {leaked:,}." if leaked is not None else "",
    ]
    return " ".join(filter(None, parts))


def knowledge_words(tried: Tried) -> str:
    """Who an attacker is: "sees what the matcher sees, holds ..., and recognises 30 of them beforehand"."""
    knows = tried.attempt.knowledge
    recognised = f"recognises {knows.known:,} of them" if knows.known else "recognises nobody"
    return f"sees what {_SEES[tried.attempt.attack.holder]}, holds {_list_words(knows)}, and {recognised} beforehand"


def _list_words(knows: Knowledge) -> str:
    everybody = knows.overlap == EVERYBODY
    if knows.list == VERY_FILE:
        return (
            "the very file in plain text"
            if everybody
            else f"{knows.overlap} % of the very file in plain text"
        )
    who = "everybody in the file" if everybody else f"{knows.overlap} % of the file's people"
    return f"another office's list with {who} and {'few' if knows.list == 'light' else 'many'} errors"


def control_words(risk: Risk) -> str:
    """How the controls fared, and whether that is as it must be."""
    controls = risk.controls
    told = (
        f"of 10,000 people in a plain CLK of the same columns {controls.plain_clk:,} were named, and of random bits "
        f"{controls.random_bits:,}"
    )
    if risk.valid:
        return f"{told}: as it must be."
    if controls.random_bits == PER:  # so it stands where these attacks had no end: they have shown nothing
        return (
            f"of 10,000 people in a plain CLK of the same columns {controls.plain_clk:,} were named; the attacks on "
            "random bits did not come to their end. Give more with --budget."
        )
    return f"{told}. It must be more than {LEAST_OF_PLAIN_CLK:,}, and at most {MOST_OF_RANDOM_BITS:,}."


def blocks_words(risk: Risk) -> str:
    """What the attacks of scheme `field-filters` do where they have much to go by: no limit is set to it."""
    named = ", ".join(f"'{name}' {count:,}" for name, count in risk.whole_blocks.items())
    return (
        "of 10,000 people of an age, if everybody were in every block and the attacker had the very file, attacks "
        f"would name: {named}. One that names few there shows little by naming few here."
    )


def by_holder(risk: Risk) -> Iterator[tuple[Holder, Tried]]:
    """The worst attempt of each holder who was tried."""
    for holder in HOLDERS:
        found = worst(counting(risk, holder))
        if found is not None:
            yield holder, found


def verdict(findings: Sequence[Finding] | None) -> str:
    """Whether it passes, in a line; findings follow it where it doesn't."""
    if findings is None:
        return "The agreement sets no limits: it has no [privacy.risk]."
    if findings:
        return "This does not pass the limits of the agreement:"
    return "This passes the limits of the agreement: the encoding resists the attacks implemented."


def verdict_data(findings: Sequence[Finding] | None) -> dict[str, Any] | None:
    """The same for JSON."""
    if findings is None:
        return None
    return {
        "passes": not findings,
        "findings": [{"rule": each.rule, "key": each.column} for each in findings],
    }


def notes(risk: Risk) -> list[str]:
    """How these figures came about, a paragraph each."""
    missing = unfinished(risk)
    return [
        f"{risk.records:,} of {risk.of:,} records were attacked, encoded as they would be sent, under a test secret of "
        f"seed {risk.seed}. The attacker knows all parameters, and not the secret.",
        f"Those who recognise more than {risk.known_people:,} people are told below, and not counted above.",
        f"Controls: {control_words(risk)}",
        *([f"In blocks: {blocks_words(risk)}", TWO_FILES] if risk.whole_blocks else []),
        *(
            [
                f"{len(missing)} of {len(risk.tried)} attacks did not come to their end in the time that they had: "
                "nothing is known of them. Give more with --budget."
            ]
            if missing
            else []
        ),
    ]


def holder_words(risk: Risk, holder: Holder, told: Tried) -> str:
    """The worst that a holder can do, in a line; no bound where an attack had no end."""
    who, attack = HOLDERS[holder].capitalize(), f"by '{told.attempt.attack.name}'"
    if unended(risk, holder):
        return (
            f"{who}: {told.named.upper:,} of 10,000 or more, {attack}; not all attacks came to their end, so that "
            "this is no bound."
        )
    return f"{who}: at most {told.named.upper:,} of 10,000, {attack}."


def rows(risk: Risk) -> list[tuple[str, ...]]:
    """By holder and knowledge, the worst attack that came to its end.

    Returns:
        Cells under `HEADER`.
    """
    found: dict[tuple[Holder, Knowledge], list[Tried]] = {}
    for each in risk.tried:
        if each.finished and not each.attempt.attack.has_secret:
            found.setdefault((each.attempt.attack.holder, each.attempt.knowledge), []).append(each)
    return [
        (
            *_knowledge_cells(holder, knows),
            told.attempt.attack.name,
            f"{per_10000(told.named):,}",
            f"{told.named.upper:,}",
        )
        for (holder, knows), several in sorted(found.items(), key=_order)
        if (told := worst(several)) is not None
    ]


def attack_rows(risk: Risk) -> list[tuple[str, ...]]:
    """Every attempt."""
    return [
        (
            each.attempt.attack.name + (" with the secret" if each.attempt.attack.has_secret else ""),
            *_knowledge_cells(each.attempt.attack.holder, each.attempt.knowledge),
            *(
                (
                    f"{each.named.of:,}", f"{each.named.right:,}", f"{each.named.wrong:,}",
                    f"{per_10000(each.named):,}", f"{each.named.upper:,}", f"{each.seconds:.0f}",
                )
                if each.finished
                else ("not finished", "", "", "", "", f"{each.seconds:.0f}")
            ),
        )
        for each in risk.tried
    ]  # fmt: skip


def _order(item: tuple[tuple[Holder, Knowledge], Sequence[Tried]]) -> tuple[int, int, int, int]:
    (holder, knows), _ = item
    return list(HOLDERS).index(holder), list(LISTS).index(knows.list), -knows.overlap, knows.known


def _knowledge_cells(holder: Holder, knows: Knowledge) -> tuple[str, ...]:
    return HOLDERS[holder], LISTS[knows.list], f"{knows.overlap} %", f"{knows.known:,}"


def data(risk: Risk) -> dict[str, Any]:
    """Everything for JSON.

    Returns:
        Values of JSON's types: counts and upper ends, no row and no value.
    """
    return {
        "sentence": sentence(risk),
        "records": risk.of,
        "attacked": risk.records,
        "known_people": risk.known_people,
        "seed": risk.seed,
        "blind_per_10000": blind_per_10000(risk),
        "with_secret_per_10000": with_secret(risk),
        "controls": {
            "plain_clk": risk.controls.plain_clk,
            "random_bits": risk.controls.random_bits,
            "valid": risk.valid,
            "whole_blocks": dict(risk.whole_blocks),
        },
        "holders": {
            holder: None if unended(risk, holder) else told.named.upper for holder, told in by_holder(risk)
        },
        "attacks": [attempt_data(each) for each in risk.tried],
    }


_COUNTS = ("of", "named", "wrong", "upper_per_10000")


def _counts(named: Named) -> dict[str, int]:
    return dict(zip(_COUNTS, (named.of, named.right, named.wrong, named.upper), strict=True))


def attempt_data(tried: Tried) -> dict[str, Any]:
    """One attempt for JSON; null for what an attack counts that had no end."""
    attack, knows = tried.attempt.attack, tried.attempt.knowledge
    return {
        "attack": attack.name,
        "holder": attack.holder,
        "has_secret": attack.has_secret,
        "list": knows.list,
        "overlap": knows.overlap,
        "known": knows.known,
        **(_counts(tried.named) if tried.finished else dict.fromkeys(_COUNTS)),
        "finished": tried.finished,
        "seconds": round(tried.seconds, 1),
    }
