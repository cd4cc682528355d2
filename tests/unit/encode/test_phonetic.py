import pytest

from pprl.encode.phonetic import phonetic


@pytest.mark.parametrize(
    "alike",
    [
        "smith smyth schmidt smithe",
        "katherine catherine kathryn",
        "philip phillip filip",
        "mohammed muhammad mohamed mohamad",
        "aisha ayesha aysha",
        "wright right rite",
        "knight night",
        "macdonald mcdonald",
        "thompson tompson",
        "stephen steven",
        "jeffrey geoffrey",
        "xavier zavier",
        "hughes hews",
        "reid reed read",
        "hussain hussein husain",
    ],
)
def test_names_that_sound_alike_have_one_code(alike):
    assert len({phonetic(word) for word in alike.split()}) == 1


@pytest.mark.parametrize(
    "unlike", ["smith scott", "jones james", "patel khan", "maria nora", "davies davidson"]
)
def test_names_that_do_not_sound_alike_have_two(unlike):
    assert len({phonetic(word) for word in unlike.split()}) == 2


@pytest.mark.parametrize(
    ("word", "code"),
    [
        ("", ""),
        ("o", "a"),
        ("h", "h"),
        ("محمد", "محم"),
        ("王小明", "王小明"),
        ("o2", "o2"),
        ("иванов", "ива"),
    ],
)
def test_words_without_an_english_sound_keep_their_first_letters(word, code):
    assert phonetic(word) == code


def test_a_code_is_short():
    assert len(phonetic("featherstonehaughwilliamson")) == 4
