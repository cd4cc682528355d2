from __future__ import annotations

import pytest

from pprl.synthetic import mistakes


@pytest.mark.parametrize(
    ("mistake", "text", "where", "which", "result"),
    [
        (mistakes.neighbouring_key, "Smith", 0.0, 0.0, "Amith"),
        (mistakes.neighbouring_key, "O'Hara", 0.2, 0.0, "O'Hara"),
        (mistakes.transposition, "Khan", 0.0, 0.0, "Kahn"),
        (mistakes.transposition, "Khan", 0.99, 0.0, "Khna"),
        (mistakes.transposition, "Ng", 0.0, 0.0, "Ng"),
        (mistakes.deletion, "Evans", 0.99, 0.0, "Evan"),
        (mistakes.deletion, "Li", 0.0, 0.0, "Li"),
        (mistakes.insertion, "Ann", 0.99, 0.0, "Annb"),
        (mistakes.doubling, "Ann", 0.0, 0.0, "Aann"),
        (mistakes.look_alike, "Burn", 0.0, 0.0, "Bum"),
        (mistakes.sound_alike, "Phelps", 0.0, 0.0, "Felps"),
        (mistakes.code_look_alike, "L20", 0.0, 0.0, "L2o"),
        (mistakes.cut_short, "Papadopoulos-Smith", 0.0, 0.0, "Papadopoulos"),
        (mistakes.other_spelling, "Catherine", 0.0, 0.0, "Katherine"),
        (mistakes.other_spelling, "Phelps", 0.0, 0.0, "Felps"),
        (mistakes.nickname, "William", 0.0, 0.0, "Bill"),
        (mistakes.nickname, "Rhodri", 0.0, 0.0, "Rhodri"),
        (mistakes.without_punctuation, "O'Brien", 0.0, 0.0, "O Brien"),
        (mistakes.without_punctuation, "O'Brien", 0.0, 0.5, "OBrien"),
        (mistakes.without_punctuation, "Ward-Hall", 0.0, 0.9, "WardHall"),
        (mistakes.without_punctuation, "Ward-Hall", 0.8, 0.9, "Hall"),
    ],
)
def test_one_mistake(mistake: mistakes.Mistake, text: str, where: float, which: float, result: str) -> None:
    assert mistake(text, where, which) == result


@pytest.mark.parametrize(
    ("mistake"), [one for _, one in (*mistakes.NAME_MISTAKES, *mistakes.POSTCODE_MISTAKES)]
)
@pytest.mark.parametrize(
    "text", ["A", "Li", "O'Brien", "İbrahim", "Zoë", "Siu Ling", "Łukasz", "LS6 2AB", "12"]
)
def test_mistakes_never_empty_a_text_or_fail(mistake: mistakes.Mistake, text: str) -> None:
    for where in (0.0, 0.3, 0.999):
        for which in (0.0, 0.5, 0.999):
            assert mistake(text, where, which)


def test_weights_are_of_a_hundred() -> None:
    for table in (mistakes.NAME_MISTAKES, mistakes.POSTCODE_MISTAKES):
        assert sum(weight for weight, _ in table) == 100


@pytest.mark.parametrize(
    ("accented", "plain"),
    [("Siân", "Sian"), ("Łukasz", "Lukasz"), ("Y\u0131ld\u0131z", "Yildiz"), ("Smith", "Smith")],
)
def test_accents_are_lost(accented: str, plain: str) -> None:
    assert mistakes.without_accents(accented) == plain
