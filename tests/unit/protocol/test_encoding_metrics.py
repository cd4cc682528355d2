"""Random bits pass whatever their number; what attacks can use doesn't. All figures are of our own generated people."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import cache

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy.sparse.linalg import ArpackError

from pprl.encode.clk import ClkEncoder
from pprl.privacy.exposure import whole_filters
from pprl.protocol import encoding_metrics
from pprl.protocol.agreement import Agreement, ClkFeature
from pprl.protocol.encoding_metrics import FEWEST_JUDGED, EncodingMetrics, measure, problems
from tests.support.attributes import clks
from tests.support.privacy import KEY, population

PEOPLE = 2_000
METRICS = ("top eigenvalue", "root mean square", "largest correlation", "visible pairs", "Gini")
Bytes = NDArray[np.uint8]
Columns = Mapping[str, Sequence[str]]


def random_bits(records: int, bits: int, *, seed: int = 1) -> Bytes:
    return np.random.default_rng((seed, records, bits)).integers(0, 256, (records, bits // 8), dtype=np.uint8)


def content() -> Agreement:
    return population(PEOPLE, scheme="clk").agreement.content


@cache
def plain() -> Bytes:
    return whole_filters(population(PEOPLE, scheme="clk").file, content(), KEY)


@cache
def salted_by_year() -> Bytes:
    """Each year of birth under a key of its own: broken, and perfect by the entropy of its bits."""
    columns = population(PEOPLE, scheme="clk").file
    years = np.array([born[:4] for born in columns["date_of_birth"]])
    filters = np.zeros((len(years), plain().shape[1]), dtype=np.uint8)
    for year in np.unique(years):
        rows = np.flatnonzero(years == year)
        encoder = ClkEncoder(content(), KEY + year.encode())
        filters[rows] = encoder.encode(
            {name: [column[row] for row in rows] for name, column in columns.items()}
        )
    return filters


@cache
def folded(folds: int = 3) -> Bytes:
    """As profile privacy-first has it: weight on birth dates and given names, eight bits folded into one."""
    weights = {"given_name": 2400, "surname": 1440, "date_of_birth": 3360, "sex": 240, "postcode": 960}
    features = [
        ClkFeature(
            identifier=name,
            comparison="ngram",
            n=2 if name in {"given_name", "surname"} else 1,
            positional=name in {"date_of_birth", "postcode"},
            hash="blake",
            bits_per_feature=bits,
        )
        for name, bits in weights.items()
    ]
    columns = population(PEOPLE, scheme="clk").file
    return clks(columns, content(), features, KEY, clk_bits=2048, xor_folds=folds)


@pytest.mark.parametrize(("records", "bits"), [(100, 512), (500, 1024), (2_000, 512), (300, 2048)])
def test_random_bits_pass(records: int, bits: int) -> None:
    found = measure(random_bits(records, bits))
    assert problems(found) == ()
    assert (found.records, found.bits) == (records, bits)
    assert found.share == pytest.approx(0.5, abs=0.01)
    assert found.top_eigenvalue == pytest.approx(1, abs=0.07)
    assert found.rms_correlation == pytest.approx(1, abs=0.01)
    assert found.visible_pairs == pytest.approx(0.06, abs=0.1)


@pytest.mark.slow
@pytest.mark.parametrize(("records", "bits"), [(20_000, 2048), (50_000, 1024)])
def test_many_random_bits_pass(records: int, bits: int) -> None:
    found = measure(random_bits(records, bits))
    assert problems(found) == ()
    assert found.records == 20_000


@pytest.mark.slow
@pytest.mark.parametrize("records", [100, 500])
def test_random_bits_are_seldom_refused(records: int) -> None:
    """Each check may be wrong less than once in 1,000 times; of 400, with a limit that is one for five checks."""
    refused = sum(bool(problems(measure(random_bits(records, 512, seed=seed)))) for seed in range(400))
    assert refused <= 2


@pytest.mark.parametrize("records", [FEWEST_JUDGED, 500, PEOPLE])
def test_plain_encodings_are_refused_by_every_metric(records: int) -> None:
    found = problems(measure(plain()[:records]))
    assert {metric for metric in METRICS if any(each.startswith(metric) for each in found)} == {*METRICS}


@pytest.mark.parametrize("records", [FEWEST_JUDGED, 500, PEOPLE])
def test_a_salt_by_year_of_birth_is_refused(records: int) -> None:
    found = problems(measure(salted_by_year()[:records]))
    assert any(each.startswith("visible pairs") for each in found)
    assert any(each.startswith("top eigenvalue") for each in found)


def test_eight_bits_folded_into_one_pass_and_two_do_not() -> None:
    assert problems(measure(folded(3))) == ()
    assert problems(measure(folded(1)))


def test_the_order_of_records_does_not_matter_nor_how_often_one_stands() -> None:
    filters = folded()[:300]
    found = measure(filters)
    assert measure(filters[::-1]) == found
    assert measure(np.vstack([filters, filters[:50]])) == found


def test_a_sample_is_the_same_for_the_same_records(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(encoding_metrics, "MOST_MEASURED", 200)
    found = measure(plain()[:900])
    assert found.records == 200
    assert measure(plain()[:900][::-1]) == found
    assert measure(plain()[900:1800]) != found


def test_several_records_of_a_person_are_allowed_where_they_may_be() -> None:
    people = folded()[:600]
    again = people[:200].copy()
    again[:, :32] = random_bits(200, 256)
    filters = np.vstack([people, again])
    assert problems(measure(filters))
    found = measure(filters, copies=True)
    assert problems(found) == ()
    assert found.records < 650
    assert problems(measure(plain(), copies=True))


def test_too_few_cannot_be_judged_unless_they_show_already() -> None:
    (told,) = problems(measure(random_bits(FEWEST_JUDGED - 1, 512)))
    assert "too few" in told
    (told,) = problems(measure(plain()[: FEWEST_JUDGED - 1]))
    assert told.startswith("visible pairs")
    assert "too few" in problems(measure(random_bits(1, 512)))[0]
    assert "too few" in problems(measure(random_bits(0, 512)))[0]


def test_each_metric_is_judged_on_its_own() -> None:
    found = measure(random_bits(500, 512))
    for name in (
        "top_eigenvalue",
        "rms_correlation",
        "largest_correlation",
        "visible_pairs",
        "frequency_gini",
    ):
        assert len(problems(replace(found, **{name: 7.0}))) == 1


def test_limits_are_those_for_20000_records_and_wider_for_fewer() -> None:
    usual = EncodingMetrics(20_000, 2_048, False, 0.5, 1.10, 1.02, 0.06, 0.15, 0.0199)
    assert problems(usual) == ()
    for name, above in (("largest_correlation", 0.061), ("visible_pairs", 0.151), ("frequency_gini", 0.0201)):
        above_limit = replace(usual, **{name: above})
        assert problems(above_limit)
        assert problems(replace(above_limit, records=200)) == ()


def test_against_what_numpy_says() -> None:
    filters = plain()[:257]
    bits = np.unpackbits(np.unique(filters, axis=0), axis=1).astype(float)
    found = measure(filters)
    kept = bits.std(axis=0) > 0
    correlation = np.corrcoef(bits[:, kept].T)
    width, records = bits.shape[1], len(bits)
    assert found.top_eigenvalue == pytest.approx(
        np.linalg.eigvalsh(correlation)[-1] / (1 + np.sqrt(width / records)) ** 2, rel=1e-3
    )
    others = correlation[~np.eye(len(correlation), dtype=bool)]
    assert found.largest_correlation == pytest.approx(np.abs(others).max())
    squares = (others**2).sum() / (width * (width - 1))
    assert found.rms_correlation == pytest.approx(np.sqrt(squares * (records - 1)))
    often = bits.sum(axis=0)
    differences = np.abs(often[:, None] - often).mean()
    assert found.frequency_gini == pytest.approx(differences / (2 * often.mean()))
    phi = np.corrcoef(bits)[np.tril_indices(records, -1)]
    least = 3.4980 / np.sqrt(width - 1)  # normal noise is above 3.4980 with probability .06 / 256
    assert found.visible_pairs == pytest.approx(2 * (phi > least).sum() / records, rel=1e-3)


def test_an_eigenvalue_that_does_not_settle_is_computed_in_full(monkeypatch: pytest.MonkeyPatch) -> None:
    found = measure(plain()[:300])

    def restless(*_: object, **__: object) -> None:
        raise ArpackError(-1)

    monkeypatch.setattr(encoding_metrics, "eigsh", restless)
    assert measure(plain()[:300]).top_eigenvalue == pytest.approx(found.top_eigenvalue, rel=1e-3)


def test_bits_that_never_change_have_no_correlation() -> None:
    filters = random_bits(300, 512)
    filters[:, :32] = 255
    found = measure(filters)
    assert np.isfinite(found.top_eigenvalue)
    assert any(each.startswith("Gini") for each in problems(found))
