"""Match keys: which records get a tag, and what is counted of them."""

from collections import Counter
from itertools import combinations

import numpy as np
import pytest

from pprl.encode import match_keys
from pprl.errors import DataError
from pprl.protocol.blocking import BlockingPass

KINDS = {"family": "surname", "born": "date-of-birth", "sex": "sex"}
KEYS = [
    BlockingPass("name-birth", ("family:whole", "born:whole")),
    BlockingPass("sound-year", ("family:phonetic", "born:year")),
    BlockingPass("birth-sex", ("born:whole", "sex:whole")),
]
NAMES = [key.name for key in KEYS]
SECRET = bytes(range(32))
ROWS = 300


def people(seed: int) -> dict[str, list[str]]:
    rng = np.random.default_rng(seed)
    surnames = rng.choice(["smith", "smyth", "obrien", "khan", "lee", ""], ROWS)
    days = rng.choice(["", *(f"19{year}-01-{day}" for year in range(40, 90) for day in range(11, 29))], ROWS)
    return {
        "family": surnames.tolist(),
        "born": days.tolist(),
        "sex": rng.choice(["f", "m", ""], ROWS).tolist(),
    }


def tags(columns: dict[str, list[str]], *, seed: int = 0, keys=KEYS, secret: bytes = SECRET) -> np.ndarray:
    values = match_keys.values_of(columns, keys, KINDS)
    names = [key.name for key in keys]
    return match_keys.tags(values, names, secret, random_bytes=np.random.default_rng(seed).bytes)


def test_a_tag_is_of_a_value_that_no_other_record_has():
    columns = people(1)
    values = match_keys.values_of(columns, KEYS, KINDS)
    one, other = tags(columns), tags(columns, seed=1)
    for place, value in enumerate(values):
        times = Counter(text for text in value.values() if text)
        # What is drawn differs from draw to draw; what is a tag does not.
        same = (one[:, place] == other[:, place]).all(axis=1).tolist()
        assert same == [times[text] == 1 for text in value.values()]
        assert 0 < sum(same) < ROWS
        assert len(np.unique(one[:, place], axis=0)) == ROWS


def test_the_same_value_has_the_same_tag_in_two_files_and_another_under_another_key_or_secret():
    columns = {"family": ["smith", "khan"], "born": ["1980-02-03", "1981-02-03"], "sex": ["f", "m"]}
    turned = {name: values[::-1] for name, values in columns.items()}
    assert np.array_equal(tags(columns), tags(turned, seed=1)[::-1])
    renamed = [BlockingPass("other", KEYS[0].parts)]
    assert not np.array_equal(tags(columns)[:, :1], tags(columns, keys=renamed))
    assert not (tags(columns) == tags(columns, secret=bytes(32))).all(axis=2).any()


def test_a_survey_counts_what_has_tags_what_is_missing_and_what_is_shared():
    columns = people(2)
    values = match_keys.values_of(columns, KEYS, KINDS)
    found = match_keys.survey(values, NAMES)
    with_tag = np.zeros(ROWS, dtype=bool)
    for told, value in zip(found.surveys, values, strict=True):
        times = Counter(text for text in value.values() if text)
        with_tag |= [times[text] == 1 for text in value.values()]
        assert told.missing == value.values().count("")
        assert told.records == sum(count == 1 for count in times.values())
        assert told.records + told.missing + told.shared == ROWS
    assert found.without == ROWS - with_tag.sum() > 0


def test_own_pairs_are_counted_once_however_many_keys_they_share(monkeypatch):
    columns = people(3)
    values = match_keys.values_of(columns, KEYS, KINDS)
    each = [
        {(i, j) for i, j in combinations(range(ROWS), 2) if text[i] and text[i] == text[j]}
        for text in (value.values() for value in values)
    ]
    assert match_keys.survey(values, NAMES).own_pairs == len(set.union(*each)) < sum(map(len, each))
    monkeypatch.setattr(match_keys, "MOST_PAIRS_LISTED", 0)
    assert match_keys.survey(values, NAMES).own_pairs == sum(map(len, each))


def test_too_many_pairs_to_list_are_no_more_than_there_are(monkeypatch):
    monkeypatch.setattr(match_keys, "MOST_PAIRS_LISTED", 0)
    columns = {"family": ["smith"] * 4, "born": ["1980-02-03"] * 4, "sex": ["f"] * 4}
    values = match_keys.values_of(columns, KEYS, KINDS)
    found = match_keys.survey(values, NAMES)
    assert (found.own_pairs, found.without) == (6, 4)


def test_no_records_have_no_tags():
    columns = {name: [] for name in KINDS}
    values = match_keys.values_of(columns, KEYS, KINDS)
    assert tags(columns).shape == (0, 3, 16)
    assert match_keys.survey(values, NAMES).own_pairs == 0


def test_an_absent_column_is_refused():
    with pytest.raises(DataError, match="no column for identifier 'sex'"):
        match_keys.values_of({"family": [], "born": []}, KEYS, KINDS)
