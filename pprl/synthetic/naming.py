"""Names for made people, by community, sex and time of birth."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from pprl.synthetic import dates, sources
from pprl.synthetic.draws import Texts, Whole, below, chance

MALE, FEMALE, UNKNOWN = 0, 1, 2
Shares = NDArray[np.float64]

_OUT_OF_FASHION = 0.2
# Of people with a British forename, how many per cent bear a coined one, by decade of birth from 1900.
_COINED = np.array([0, 0, 0, 0, 0, 0, 0, 0.3, 1.5, 4, 6, 7, 7]) / 100
_MIDDLE_IN_FASHION = 0.35
_DOUBLE_SURNAMES_SINCE = 1975
_DOUBLE_SURNAME = {"british": 0.035, "welsh": 0.04, "irish": 0.02, "caribbean": 0.05, "portuguese": 0.4}
_KEEPS_MASCULINE_FORM = 0.15
_SIKH_NAMES = ("Singh", "Kaur")
_SIKH_MIDDLE = 0.9


def _decade(born: Whole) -> Whole:
    return np.clip((dates.years(born) - sources.FIRST_DECADE) // 10, 0, sources.DECADES - 1)


def forename_list(community: int, sex: int, born: int) -> Texts:
    """The forenames that one person's community gave at the time, the commonest first."""
    lists = sources.forenames()
    decade = int(_decade(np.array([born]))[0])
    return lists.ranked.members(int(lists.place[community, sex, decade]))


def another(name: str, same_initial: bool, candidates: Texts, pick: float) -> str:
    """A forename other than `name`, with its initial if asked and there is one.

    Args:
        name: the forename to differ from.
        same_initial: whether the two should begin alike.
        candidates: forenames to choose from; at least two.
        pick: from 0 to 1, which of those that fit.
    """
    others = [one for one in candidates.tolist() if one != name]
    alike = [one for one in others if one[0] == name[0]]
    fitting = alike if same_initial and alike else others
    return str(fitting[int(pick * len(fitting))])


def forenames(rng: np.random.Generator, community: Whole, sex: Whole, born: Whole) -> Texts:
    """First names, shape (people,).

    Args:
        rng: draws.
        community: number in `sources.communities`, shape (people,), as all that follows.
        sex: MALE, FEMALE or UNKNOWN.
        born: days since 1970.
    """
    size = len(community)
    table, lists = sources.communities(), sources.forenames()
    british = table.index("british")[0]
    listed = np.where(chance(rng, table.british_forename[community] / 100, size), british, community)
    decade = _decade(born)
    late = np.where(chance(rng, _OUT_OF_FASHION, size), 1 - 2 * below(rng, 2, size), 0)
    shifted = np.clip(decade + late, 0, sources.DECADES - 1)
    names = lists.ranked.draw(rng, lists.place[listed, sex, shifted])
    coined_lists = sources.coined_forenames()
    coined = coined_lists.ranked.draw(rng, coined_lists.place[sex])
    use_coined = chance(rng, _COINED[decade], size) & (listed == british)
    chosen: Texts = np.where(use_coined, coined, names)
    return chosen


def middle_names(
    rng: np.random.Generator, community: Whole, sex: Whole, born: Whole, forename: Texts, surname: Texts
) -> Texts:
    """Middle names: "", one, or two with a space between; shape (people,).

    Args:
        rng: draws.
        community: as for `forenames`, with sex and day of birth.
        sex: so.
        born: so.
        forename: which no middle name repeats.
        surname: of birth; no middle name repeats it either.
    """
    size = len(community)
    table = sources.communities()
    draw = rng.random(size) * 100
    one = _one_middle(rng, community, sex, born, surname)
    two = _one_middle(rng, community, sex, born, surname)
    both = (draw < table.two_middles[community]) & (one != two) & (two != forename)
    joined = np.where(both, one + " " + two, one)
    none = (draw >= 100 - table.no_middle[community]) | (one == forename) | (one == surname)
    chosen: Texts = np.where(none, "", joined)
    return chosen


def _one_middle(rng: np.random.Generator, community: Whole, sex: Whole, born: Whole, surname: Texts) -> Texts:
    table, lists = sources.communities(), sources.forenames()
    size = len(community)
    # A Somali second name is the father's forename.
    named_as = np.where(community == table.index("somali")[0], MALE, sex)
    fashion = lists.ranked.draw(rng, lists.place[community, named_as, _decade(born)])
    usual = sources.middles().ranked.draw(rng, sources.middles().place[sex])
    own_style = np.isin(community, table.index("british", "welsh", "irish", "caribbean"))
    names: Texts = np.where(own_style & ~chance(rng, _MIDDLE_IN_FASHION, size), usual, fashion)
    sikh = np.where(sex == FEMALE, _SIKH_NAMES[1], _SIKH_NAMES[0]).astype(np.object_)
    use_sikh = (community == table.index("punjabi")[0]) & (surname != sikh) & chance(rng, _SIKH_MIDDLE, size)
    chosen: Texts = np.where(use_sikh, sikh, names)
    return chosen


def surnames(rng: np.random.Generator, community: Whole, sex: Whole, born: Whole) -> Texts:
    """Surnames at birth, in the form that men bear; shape (people,).

    Args:
        rng: draws.
        community: as for `forenames`, with sex and day of birth.
        sex: so.
        born: so.
    """
    single = _single_surnames(rng, community, sex)
    other = _single_surnames(rng, community, sex)
    table = sources.communities()
    share = np.array([_DOUBLE_SURNAME.get(name, 0.0) for name in table.names])[community]
    iberian = community == table.index("portuguese")[0]
    possible = ((dates.years(born) >= _DOUBLE_SURNAMES_SINCE) | iberian) & (single != other)
    double = chance(rng, share, len(community)) & possible
    chosen: Texts = np.where(double, single + np.where(iberian, " ", "-").astype(np.object_) + other, single)
    return chosen


def _single_surnames(rng: np.random.Generator, community: Whole, sex: Whole) -> Texts:
    size = len(community)
    lists = sources.surnames()
    listed = lists.ranked.draw(rng, lists.place[community, sex])
    rare = sources.compounded_surnames().draw(rng, np.zeros(size, dtype=np.int64))
    use_listed = chance(rng, sources.communities().listed_surnames[community] / 100, size)
    chosen: Texts = np.where(use_listed, listed, rare)
    return chosen


def feminised(rng: np.random.Generator, surname: Texts, community: Whole, sex: Whole) -> Texts:
    """The surnames with women's endings where their language has them; a new array of the same shape.

    Args:
        rng: draws who keeps the form that men bear.
        surname: in that form, shape (people,).
        community: as for `forenames`.
        sex: so.
    """
    changed = surname.copy()
    for place, endings in sources.feminine_endings().items():
        women = np.flatnonzero((community == place) & (sex == FEMALE))
        keeps = chance(rng, _KEEPS_MASCULINE_FORM, len(women))
        for person in women[~keeps].tolist():
            changed[person] = _with_womans_ending(changed[person], endings)
    return changed


def _with_womans_ending(surname: str, endings: list[tuple[str, str]]) -> str:
    for man, woman in endings:
        if surname.endswith(man):
            return surname.removesuffix(man) + woman
    return surname
