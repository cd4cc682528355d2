"""The runner: time, order, controls, and what is counted. Attackers here know the truth, or know nothing."""

from __future__ import annotations

from itertools import count

import numpy as np
import pytest

from pprl.privacy import attempts as table
from pprl.privacy import battery, words
from pprl.privacy.attempts import Attack, Attempt, Knowledge, attempts
from pprl.privacy.battery import Risk, Tried, made, plain_clk
from pprl.privacy.ground import Ground, RandomGround, clk_tokens, known_in_passes
from pprl.privacy.knowledge import List
from pprl.privacy.measure import Named, OutOfTime
from pprl.privacy.sampling import Sample
from pprl.privacy.views import NOBODY, NOBODY_KNOWN, Tick
from pprl.protocol.agreement import ClkFeature, Scheme
from pprl.protocol.risk_statement import Controls
from tests.support.privacy import no_limit, population

PEOPLE = 200
EVERYTHING = Knowledge("very file", 100, 0)


def ground_of(scheme: Scheme = "clk", seed: int = 1) -> Ground:
    people = population(PEOPLE, scheme=scheme)
    return Ground(Sample(people.file, people.strangers, 2 * PEOPLE), people.agreement.content, seed)


def truthful(ground: Ground, knows: Knowledge, _rng: np.random.Generator, _tick: Tick) -> Named:
    people = ground.listed(knows.list, knows.overlap)
    return ground.counted(people.truth, people, ground.known(people, knows.known))


def clueless(ground: Ground, knows: Knowledge, _rng: np.random.Generator, _tick: Tick) -> Named:
    people = ground.listed(knows.list, knows.overlap)
    return ground.counted(np.full(ground.records, NOBODY), people, NOBODY_KNOWN)


def guessing(ground: Ground, knows: Knowledge, rng: np.random.Generator, _tick: Tick) -> Named:
    people = ground.listed(knows.list, knows.overlap)
    return ground.counted(rng.permutation(ground.records), people, NOBODY_KNOWN)


def endless(_ground: Ground, _knows: Knowledge, _rng: np.random.Generator, tick: Tick) -> Named:
    while True:
        tick()


TRUTHFUL = Attack("truthful", "clk", "matcher", truthful, uses_known=True)
CLUELESS = Attack("clueless", "clk", "matcher", clueless)
ENDLESS = Attack("endless", "clk", "key-issuer", endless)
LOOKING_UP = next(each for each in table.ATTACKS if (each.name, each.scheme) == ("dictionary", "clk"))
SECRET = Attack("dictionary", "clk", "matcher", truthful)


def run(*attacks: Attack, budget: float = 100.0, known_people: int = 30, seed: int = 1) -> Risk:
    """A battery of these, under a clock that goes on a second whenever somebody looks."""
    people = population(PEOPLE, scheme="clk")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(table, "ATTACKS", attacks)
        # Who has the secret reads whatever was encoded under it, and no random bits.
        patch.setattr(battery, "CONTROLS", {"clk": (LOOKING_UP,)})
        ticks = count()
        return battery.attack(
            Sample(people.file, people.strangers, 2 * PEOPLE),
            people.agreement.content,
            known_people=known_people,
            seed=seed,
            budget=budget * 1_000,
            clock=lambda: float(next(ticks)),
            progress=lambda _what, _share: None,
        )


def test_who_knows_the_truth_names_everybody_and_who_does_not_nobody() -> None:
    found = run(TRUTHFUL, CLUELESS)
    assert (found.controls.plain_clk, found.controls.random_bits) == (10_000, 0)
    by_attack = {each.attempt.attack.name: each.named for each in found.tried
                 if each.attempt.knowledge == EVERYTHING}  # fmt: skip
    assert by_attack["truthful"] == Named(PEOPLE, PEOPLE, 0)
    assert by_attack["clueless"] == Named(PEOPLE, 0, 0)


def test_an_attack_that_does_not_end_is_cut_and_leaves_time_for_the_others() -> None:
    found = run(ENDLESS, TRUTHFUL)
    cut = [each for each in found.tried if each.attempt.attack is ENDLESS]
    assert cut
    assert not any(each.finished for each in cut)
    assert {each.named for each in cut} == {Named(0, 0, 0)}
    assert all(each.finished for each in found.tried if each.attempt.attack is TRUTHFUL)


def test_what_did_not_end_is_no_bound_for_who_might_have_made_it() -> None:
    found = run(ENDLESS, CLUELESS)
    told = {holder: words.holder_words(found, holder, each) for holder, each in words.by_holder(found)}
    assert told["matcher"].startswith("The matcher: at most ")
    assert "this is no bound" in told["together"]
    assert "key-issuer" not in told
    assert words.data(found)["holders"] == {"matcher": 722, "together": None}
    assert "may name more" in words.sentence(found)
    assert "may name more" not in words.sentence(run(CLUELESS))
    assert {each["upper_per_10000"] for each in words.data(found)["attacks"] if not each["finished"]} == {
        None
    }


def test_attackers_of_blocks_name_many_where_everybody_is_in_every_block() -> None:
    ground = ground_of("field-filters")
    named = battery._in_whole_blocks(ground.sample, ground.agreement, 1, no_limit)
    assert named["in_blocks"] > 4_000
    assert named["record_blocks"] > 6_000
    assert named["pair_graph"] > 500
    assert battery._in_whole_blocks(ground.sample, plain_clk(ground.agreement), 1, no_limit) == {}


def test_who_had_too_little_time_gets_what_the_others_left() -> None:
    now = [0.0]
    time = battery._Time(lambda: now[0], ends=100.0)
    slow, *quick = (Attempt(TRUTHFUL, Knowledge("light", 50, known)) for known in range(6))
    tried: dict[Attempt, Tried] = {}
    needs, turns = {slow: 60.0}, []
    for attempt, tick in battery._turns([slow, *quick], tried, time):
        turns.append(attempt)
        started, finished = now[0], True
        try:
            while now[0] < started + needs.get(attempt, 1.0):
                now[0] += 1.0
                tick()
        except OutOfTime:
            finished = False
            needs[slow] = 30.0  # what it has looked up before, it has
        tried[attempt] = Tried(attempt, Named(0, 0, 0), finished, now[0] - started)
    assert turns == [slow, *quick, slow]
    assert all(each.finished for each in tried.values())
    assert list(battery._turns([], {}, time)) == []


def test_without_time_nothing_is_known() -> None:
    found = run(TRUTHFUL, budget=0.0)
    assert not any(each.finished for each in found.tried)
    assert not found.valid
    assert "Nothing is known" in words.sentence(found)
    assert "did not come to their end" in words.control_words(found)
    assert "--budget" in words.sentence(found)


@pytest.mark.parametrize(("budget", "times"), [(100_000.0, 2), (200.0, 1)])
def test_controls_that_had_too_little_time_have_another_turn_if_there_is_much_more(
    monkeypatch: pytest.MonkeyPatch, budget: float, times: int
) -> None:
    """On a slow machine their share was over, and the figures were worth nothing while minutes were left."""
    made_so_far: list[Controls] = []

    def slow(*_: object) -> Controls:
        made_so_far.append(Controls(10_000, 0 if made_so_far else 10_000))
        return made_so_far[-1]

    monkeypatch.setattr(battery, "_controls", slow)
    found = run(TRUTHFUL if times == 2 else ENDLESS, budget=budget)
    assert len(made_so_far) == times
    assert found.valid == (times == 2)


def test_figures_depend_on_the_seed_alone_and_not_on_what_was_made_before() -> None:
    ground, others = ground_of(), ground_of(seed=2)
    attempt = Attempt(Attack("guessing", "clk", "matcher", guessing), EVERYTHING)
    alone = made(attempt, ground, no_limit, lambda: 0.0)
    made(Attempt(TRUTHFUL, Knowledge("light", 50, 10)), ground, no_limit, lambda: 0.0)
    assert (
        made(attempt, ground, no_limit, lambda: 0.0)
        == alone
        == made(attempt, ground_of(), no_limit, lambda: 0.0)
    )
    assert ground.key != others.key != others.list_key
    assert (ground.filters == ground_of().filters).all()


def test_attackers_who_recognise_more_than_is_agreed_are_told_and_not_counted() -> None:
    several = run(TRUTHFUL, known_people=10)
    known = {each.attempt.knowledge.known for each in several.tried}
    assert {0, 10, 30, 100} <= known  # and 1,000 are more than half of the file
    assert 1_000 not in known
    assert {each.attempt.knowledge.known for each in words.counting(several)} <= {0, 10}


def test_who_has_the_secret_is_a_line_of_its_own() -> None:
    found = run(CLUELESS, SECRET)
    assert words.with_secret(found) == 10_000
    assert {each.attempt.attack.name for each in words.counting(found)} == {"clueless"}
    assert "If the secret leaked it would be 10,000." in words.sentence(found)
    assert "Worst known attack: 0 of 10,000" in words.sentence(found)


@pytest.mark.parametrize("scheme", ["clk", "field-filters"])
def test_every_attempt_is_there_once_and_those_who_count_come_first(scheme: Scheme) -> None:
    found = attempts(scheme, records=10_000, known_people=30)
    assert len({(each.attack.name, each.knowledge) for each in found}) == len(found)
    late = [each.knowledge.known > 30 for each in found if not each.required]
    assert late == sorted(late)
    required = [each.required for each in found]
    assert required == sorted(required, reverse=True)


def test_people_who_are_written_alike_are_one() -> None:
    ground = ground_of()
    twice = {name: [values[0], values[0], *values[2:]] for name, values in ground.sample.file.items()}
    truth = np.arange(PEOPLE)
    swapped = np.array([1, 0, *range(2, PEOPLE)])
    assert ground.counted(swapped, List(twice, truth), NOBODY_KNOWN) == Named(PEOPLE, PEOPLE, 0)
    assert ground.counted(swapped, List(dict(ground.sample.file), truth), NOBODY_KNOWN).right == PEOPLE - 2


def test_a_record_is_named_if_one_pass_names_it() -> None:
    ground = ground_of("field-filters")
    people = ground.listed("very file", 100)
    records = [np.array([4, 2, 3]), np.array([2, 5])]
    right, wrong = people.truth, (people.truth + 1) % PEOPLE
    names = [np.array([wrong[4], right[2], NOBODY]), np.array([wrong[2], right[5]])]
    assert ground.counted_over_passes(names, records, people, NOBODY_KNOWN) == Named(PEOPLE, 2, 1)
    backwards = ground.counted_over_passes(names[::-1], records[::-1], people, NOBODY_KNOWN)
    assert backwards == Named(PEOPLE, 2, 1)


def test_people_are_recognised_in_every_pass_that_they_are_in() -> None:
    known = np.array([[2, 7], [5, 9]])
    found = known_in_passes(known, [np.array([4, 2, 3]), np.array([2, 5]), np.array([1])])
    assert [each.tolist() for each in found] == [[[1, 7]], [[0, 7], [1, 9]], []]


def test_a_plain_clk_of_the_same_identifiers() -> None:
    agreement = population(PEOPLE).agreement.content
    plain = plain_clk(agreement)
    assert [each.identifier for each in plain.encoding.clk_parameters.features] == list(agreement.kinds())
    filters = Ground(Sample(population(PEOPLE).file, {}, PEOPLE), plain, 1).filters
    share = np.bitwise_count(filters).sum() / (8 * filters.size)
    assert 0.3 < share < 0.6


@pytest.mark.parametrize("scheme", ["clk", "field-filters"])
def test_random_ground_has_the_shapes_and_nothing_else_in_common(scheme: Scheme) -> None:
    real = ground_of(scheme)
    random = RandomGround(real.sample, real.agreement, 1)
    if scheme == "clk":
        assert random.filters.shape == real.filters.shape
        assert abs(np.bitwise_count(random.filters).mean() - 4) < 0.1
        return
    for made_of, one in zip(random.passes, real.passes, strict=True):
        assert made_of.filters.shape == one.filters.shape
        assert (np.sort(made_of.blocks) == np.sort(one.blocks)).all()
        assert (np.diff(made_of.rows) > 0).all()
    assert random.pairs.in_pass.sum(axis=0).tolist() == real.pairs.in_pass.sum(axis=0).tolist()
    assert (random.pairs.dataset[random.pairs.left] == 0).all()
    assert (random.pairs.dataset[random.pairs.right] == 1).all()
    assert len(random.pairs.left) == len(real.pairs.left)


def test_the_key_issuer_sees_another_office_with_some_of_the_people() -> None:
    ground = ground_of("field-filters")
    assert (ground.pairs.dataset == 0).sum() == PEOPLE
    assert (ground.pairs.dataset == 1).sum() > 0.9 * PEOPLE
    assert len(ground.listed_pairs("light", 50).dataset) == len(ground.pairs.dataset)


@pytest.mark.parametrize(
    ("feature", "tokens"),
    [
        ({"comparison": "ngram", "n": 2, "positional": False}, {"0: a", "0:ab", "0:b "}),
        ({"comparison": "ngram", "n": 1, "positional": True}, {"0:0 a", "0:1 b"}),
        ({"comparison": "exact"}, {"0:ab"}),
    ],
)
def test_tokens_as_an_attacker_writes_them_down(feature: dict[str, object], tokens: set[str]) -> None:
    made_feature = ClkFeature.model_validate(
        {"identifier": "name", "hash": "blake", "bits_per_feature": 10, **feature}
    )
    assert clk_tokens({"name": ["ab", "", "ab"]}, [made_feature]) == [tokens, set(), tokens]


def test_attackers_who_name_people_in_random_bits_show_nothing() -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(table, "ATTACKS", (TRUTHFUL,))
        patch.setattr(battery, "CONTROLS", {"clk": (TRUTHFUL,)})
        people = population(PEOPLE, scheme="clk")
        found = battery.attack(
            Sample(people.file, people.strangers, PEOPLE), people.agreement.content,
            known_people=30, seed=1, budget=100.0, clock=lambda: 0.0, progress=lambda _what, _share: None,
        )  # fmt: skip
    assert (found.controls.plain_clk, found.controls.random_bits, found.valid) == (
        10_000,
        10_000,
        False,
    )
    assert words.sentence(found).startswith("These attacks show nothing")


def test_words_never_say_safe() -> None:
    found = run(CLUELESS, SECRET, ENDLESS)
    text = " ".join([words.sentence(found), *words.notes(found), words.CAUTION])
    assert "safe" not in text
    assert "resists the attacks implemented" in text


def test_the_worst_is_the_one_with_the_highest_end() -> None:
    def tried(named: Named) -> Tried:
        return Tried(Attempt(TRUTHFUL, EVERYTHING), named, finished=True, seconds=1.0)

    few, many = tried(Named(100, 1, 0)), tried(Named(10_000, 120, 0))
    assert words.worst([many, few]) is few
    assert words.worst([]) is None
