"""Runs every attack against a sample of a file, in bounded time, between two controls.

A department runs it before anything leaves. What a risk statement must have comes first, so that a budget that is too
small leaves out the rest. Each attempt has its share of the time that is left; one that doesn't come to its end has
named nobody, and says so.

The controls show that the attackers can do their work, and that their success isn't chance: a plain CLK of the same
columns must fall to them, and random bits must not. Attackers of scheme `field-filters` have one of their own: blocks
with everybody in them, of people so near in age that most share some. How many they name there depends on the passes,
so it is told and not judged.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from pprl.agreements.draft import DEFAULT_FEATURES
from pprl.privacy.attempts import CONTROLS, Attempt, Knowledge, attempts
from pprl.privacy.ground import Ground, RandomGround, with_whole_blocks
from pprl.privacy.measure import PER, Named, OutOfTime
from pprl.privacy.sampling import Sample, length_of, made_up
from pprl.privacy.views import Tick
from pprl.protocol.agreement import Agreement, ClkFeature, ClkParameters, Encoding
from pprl.protocol.kinds import Kind
from pprl.protocol.risk_statement import (
    EVERYBODY,
    LEAST_OF_PLAIN_CLK,
    MOST_OF_RANDOM_BITS,
    VERY_FILE,
    Attacked,
    Controls,
    RiskStatement,
)

IN_CONTROLS, KNOWN_IN_CONTROLS = 1_000, 30
"""Records that the controls take, made-up ones among them where the file has fewer, and how many are recognised."""

PLAIN_BITS_SET = 600
_BIRTHS: frozenset[Kind] = frozenset({"date-of-birth", "year-of-birth"})
_YEARS = range(1990, 1995)
_OF_CONTROLS, _WEIGHT_OF_REQUIRED, _MUCH_MORE = 0.2, 4, 1.2

Clock = Callable[[], float]
Progress = Callable[[str, float], None]


@dataclass(frozen=True, slots=True)
class Tried:
    """How an attempt went.

    Attributes:
        attempt: whose.
        named: what it came to; nobody of nobody where it did not finish.
        finished: whether it came to its end in its time.
        seconds: how long it took.
    """

    attempt: Attempt
    named: Named
    finished: bool
    seconds: float

    def stated(self) -> Attacked:
        """The same in a statement."""
        attack, knows = self.attempt.attack, self.attempt.knowledge
        return Attacked.counted(
            attack.name,
            attack.holder,
            knows.list,
            overlap=knows.overlap,
            known=knows.known,
            of=self.named.of,
            named=self.named.right,
            wrong=self.named.wrong,
            finished=self.finished,
            seconds=round(self.seconds),
        )


@dataclass(frozen=True, slots=True)
class Risk:
    """What all attacks came to.

    Attributes:
        records: how many were attacked.
        of: how many the file has.
        known_people: whom an attacker recognises who counts.
        seed: of everything that was drawn.
        controls: whether the rest shows anything.
        whole_blocks: of 10,000 people of an age in whole blocks, how many each attack of scheme `field-filters` named
            that came to its end.
        tried: every attempt, in the order in which they were made.
    """

    records: int
    of: int
    known_people: int
    seed: int
    controls: Controls
    whole_blocks: Mapping[str, int]
    tried: tuple[Tried, ...]

    @property
    def valid(self) -> bool:
        """Whether the attackers work, and only where there is something to be found."""
        return (
            self.controls.plain_clk > LEAST_OF_PLAIN_CLK and self.controls.random_bits <= MOST_OF_RANDOM_BITS
        )

    def statement(self, *, agreement_sha256: str, dataset: str) -> RiskStatement:
        """What the department states of it: what was required, and what else came to its end.

        Args:
            agreement_sha256: the agreement.
            dataset: the dataset that was attacked.
        """
        return RiskStatement(
            agreement_sha256=agreement_sha256,
            dataset=dataset,
            records=self.records,
            blind=1,  # of a list as long as the file
            known_people=self.known_people,
            controls=self.controls,
            seed=self.seed,
            attacks=tuple(each.stated() for each in self.tried if each.finished or each.attempt.required),
        )


def attack(
    sample: Sample,
    agreement: Agreement,
    *,
    known_people: int,
    seed: int,
    budget: float,
    clock: Clock,
    progress: Progress,
    required_only: bool = False,
) -> Risk:
    """Make every attack on a sample of a file. A department runs it, on its own file.

    Args:
        sample: who is attacked.
        agreement: how records are encoded.
        known_people: how many records an attacker recognises who counts for the verdict.
        seed: of everything that is drawn; the same one gives the same figures, if attacks come to their end.
        budget: seconds for all of it.
        clock: tells seconds.
        progress: told what is done, and the share of the time or of the work that has gone.
        required_only: whether to leave out what a risk statement can do without.
    """
    wanted = [
        each
        for each in attempts(agreement.encoding.scheme, records=sample.records, known_people=known_people)
        if each.required or not required_only
    ]
    time = _Time(clock, clock() + budget)
    progress("controls", 0.0)
    had = time.left() * _OF_CONTROLS
    controls, whole_blocks = _both_controls(sample, agreement, seed, time.share(_OF_CONTROLS))
    ground = Ground(sample, agreement, seed)
    tried: dict[Attempt, Tried] = {}
    for attempt, tick in _turns(wanted, tried, time):
        tried[attempt] = made(attempt, ground, tick, clock)
        progress(attempt.attack.name, sum(each.finished for each in tried.values()) / len(wanted))
    if controls.random_bits == PER and time.left() > _MUCH_MORE * had:  # they had no end, and there is time
        controls, whole_blocks = _both_controls(sample, agreement, seed, time.share(1))
    return Risk(
        records=sample.records,
        of=sample.of,
        known_people=known_people,
        seed=seed,
        controls=controls,
        whole_blocks=whole_blocks,
        tried=tuple(tried[each] for each in wanted),
    )


@dataclass(frozen=True, slots=True)
class _Time:
    """What is left of the budget."""

    clock: Clock
    ends: float

    def left(self) -> float:
        """Seconds."""
        return max(0.0, self.ends - self.clock())

    def share(self, share: float) -> Tick:
        """A tick that raises when a share of what is left now is over."""
        now = self.clock()
        until = now + max(0.0, self.ends - now) * share

        def tick() -> None:
            if self.clock() > until:
                raise OutOfTime

        return tick


def _turns(
    wanted: Sequence[Attempt], tried: Mapping[Attempt, Tried], time: _Time
) -> Iterator[tuple[Attempt, Tick]]:
    """Attempts, each with its time; those that had too little have another turn while there is much more to be had."""
    had = 0.0
    waiting = list(wanted)
    while waiting:
        offered = time.left() / sum(map(_weight, waiting))
        if tried and offered <= _MUCH_MORE * had:
            return
        had = offered
        for number, attempt in enumerate(waiting):
            yield attempt, time.share(_weight(attempt) / sum(map(_weight, waiting[number:])))
        waiting = [each for each in waiting if not tried[each].finished]


def _weight(attempt: Attempt) -> int:
    return _WEIGHT_OF_REQUIRED if attempt.required else 1


def made(attempt: Attempt, ground: Ground, tick: Tick, clock: Clock) -> Tried:
    """Make one attempt.

    Args:
        attempt: which.
        ground: what it works on.
        tick: ends it.
        clock: tells seconds.
    """
    started = clock()
    named, finished = _named(attempt, ground, tick), True
    if named is None:
        named, finished = Named(0, 0, 0), False
    return Tried(attempt, named, finished, clock() - started)


def _named(attempt: Attempt, ground: Ground, tick: Tick) -> Named | None:
    try:
        tick()
        return attempt.attack.run(ground, attempt.knowledge, _rng(attempt, ground.seed), tick)
    except OutOfTime:
        return None


def _rng(attempt: Attempt, seed: int) -> np.random.Generator:
    """An attempt's own random numbers, whatever was made before it."""
    knows = attempt.knowledge
    label = f"{attempt.attack.holder}/{attempt.attack.name}/{knows.list}/{knows.overlap}/{knows.known}"
    digest = hashlib.sha256(label.encode("ascii")).digest()
    return np.random.default_rng([seed, int.from_bytes(digest[:8], "big")])


# Controls.


def _both_controls(
    sample: Sample, agreement: Agreement, seed: int, tick: Tick
) -> tuple[Controls, dict[str, int]]:
    return _controls(sample, agreement, seed, tick), _in_whole_blocks(sample, agreement, seed, tick)


def _controls(sample: Sample, agreement: Agreement, seed: int, tick: Tick) -> Controls:
    people = _for_controls(sample, agreement, seed)
    plain = plain_clk(agreement)
    knows = Knowledge(VERY_FILE, EVERYBODY, KNOWN_IN_CONTROLS)
    fallen = [_named(Attempt(each, knows), Ground(people, plain, seed), tick) for each in CONTROLS["clk"]]
    lucky = [
        _named(Attempt(each, knows), RandomGround(people, of, seed), tick)
        for of in ((agreement,) if agreement.encoding.clk else (plain, agreement))
        for each in CONTROLS[of.encoding.scheme]
    ]
    return Controls(
        max((_per_10000(each) for each in fallen if each), default=0),
        # What didn't come to its end has shown nothing.
        max((_per_10000(each) if each else PER for each in lucky), default=PER),
    )


def _in_whole_blocks(sample: Sample, agreement: Agreement, seed: int, tick: Tick) -> dict[str, int]:
    if agreement.encoding.scheme == "clk":
        return {}
    people = _for_controls(sample, agreement, seed)
    kinds = agreement.kinds()
    ground = Ground(
        Sample(_of_an_age(people.file, kinds), _of_an_age(people.strangers, kinds), people.of),
        with_whole_blocks(agreement),
        seed,
    )
    knows = Knowledge(VERY_FILE, EVERYBODY, KNOWN_IN_CONTROLS)
    named = {each.name: _named(Attempt(each, knows), ground, tick) for each in CONTROLS["field-filters"]}
    return {name: _per_10000(each) for name, each in named.items() if each}


def _of_an_age(columns: Mapping[str, Sequence[str]], kinds: Mapping[str, Kind]) -> dict[str, list[str]]:
    """The people as if they had been born in one of a few years: so many share a day of birth as in a large file."""
    return {
        name: [
            f"{_YEARS[0] + int(value[:4]) % len(_YEARS)}{value[4:]}"
            if value and kinds[name] in _BIRTHS
            else value
            for value in values
        ]
        for name, values in columns.items()
    }


def _for_controls(sample: Sample, agreement: Agreement, seed: int) -> Sample:
    """Some of the file's records, filled up with made-up people; none of the file's where people have several.

    Records of one person are so alike that nobody could say which is which: a control needs people who differ.
    """
    from_file = 0 if sample.several else IN_CONTROLS
    file = {name: values[:from_file] for name, values in sample.file.items()}
    missing = IN_CONTROLS - length_of(file)
    if missing > 0:
        more = made_up(sample.file, agreement.kinds(), missing, seed)
        file = {name: values + more[name] for name, values in file.items()}
    return Sample(file, sample.strangers, sample.of)


def plain_clk(agreement: Agreement) -> Agreement:
    """The same identifiers in a plain CLK: no attack is worth anything that it resists."""
    kinds = agreement.kinds()
    total = sum(DEFAULT_FEATURES[kind].bits for kind in kinds.values())
    features = []
    for name, kind in kinds.items():
        usual = DEFAULT_FEATURES[kind]
        features.append(
            ClkFeature(
                identifier=name,
                comparison="ngram" if usual.n else "exact",
                n=usual.n,
                positional=usual.positional,
                hash="blake",
                bits_per_feature=max(1, round(usual.bits * PLAIN_BITS_SET / total)),
            )
        )
    clk = ClkParameters(clk_bits=1024, xor_folds=0, features=tuple(features))
    encoding = Encoding(scheme="clk", invalid_values="missing", min_identifiers=1, clk=clk)
    return agreement.model_copy(update={"encoding": encoding})


def _per_10000(named: Named) -> int:
    return round(PER * named.right / named.of) if named.of else 0
