import base64
import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from clkhash.schema import from_json_dict, validate_schema_dict

from pprl.encode import clk as clk_module
from pprl.encode.clk import KDF_INFO, KDF_SALT, ClkEncoder, linkage_schema
from pprl.encode.passes import coded
from pprl.errors import ConfigError, DataError, KeyFileError
from pprl.protocol.agreement import ClkFeature

KEY = b"k" * 32
NAME = ClkFeature(
    identifier="surname", comparison="ngram", n=2, positional=False, hash="blake", bits_per_feature=100
)
SEX = ClkFeature(identifier="sex", comparison="exact", hash="double", bits_per_token=20)
BORN = ClkFeature(
    identifier="date_of_birth", comparison="ngram", n=1, positional=True, hash="blake", bits_per_token=9
)
# Made by clkhash alone.
KNOWN = (
    "0228470008f92820120ad08100d5005f811a800006c48b8000040e14401800c0"
    "624a884c241927001473021418822a13088322036819084ab8d08e08c00009c0"
)
NUMBER = ClkFeature(
    identifier="case_number",
    comparison="numeric",
    threshold_distance=2.5,
    resolution=3,
    hash="blake",
    bits_per_token=9,
)


def test_the_schema_is_one_that_clkhash_accepts_and_json_can_carry(agreement_with):
    schema = linkage_schema(agreement_with([NAME, SEX, BORN, NUMBER], xor_folds=2))
    validate_schema_dict(schema)
    assert json.loads(json.dumps(schema)) == schema
    assert [each["identifier"] for each in schema["features"]] == [
        "surname",
        "sex",
        "date_of_birth",
        "case_number",
    ]


def test_the_schema_pins_the_key_derivation(agreement_with):
    kdf = linkage_schema(agreement_with([NAME]))["clkConfig"]["kdf"]
    assert (kdf["type"], kdf["hash"], kdf["keySize"]) == ("HKDF", "SHA256", 64)
    assert (base64.b64decode(kdf["info"]), base64.b64decode(kdf["salt"])) == (KDF_INFO, KDF_SALT)


def test_a_known_clk_does_not_change(agreement_with):
    agreement = agreement_with([NAME, SEX, BORN], clk_bits=512, xor_folds=1)
    columns = {"surname": ["smith"], "sex": ["f"], "date_of_birth": ["1967-11-09"]}
    found = ClkEncoder(agreement, KEY).encode(columns).tobytes()
    assert found.hex() == KNOWN


def test_every_feature_tells_clkhash_that_the_empty_string_is_missing(agreement_with):
    schema = from_json_dict(linkage_schema(agreement_with([NAME, SEX, BORN, NUMBER])))
    for field in schema.fields:
        field.validate("")
        assert list(field.hashing_properties.comparator.tokenize(field.format_value(""))) == []


@pytest.mark.parametrize("folds", [0, 1, 2, 3])
def test_folding_happens(agreement_with, folds):
    agreement = agreement_with([NAME], clk_bits=512, xor_folds=folds)
    flat = ClkEncoder(agreement_with([NAME], clk_bits=512), KEY).encode({"surname": ["smith"]})
    folded = ClkEncoder(agreement, KEY).encode({"surname": ["smith"]})
    assert folded.shape == (1, 64)
    assert np.array_equal(flat, folded) == (folds == 0)


def test_a_schema_that_lost_its_folds_is_refused(agreement_with, monkeypatch):
    def without_folds(agreement):
        schema = linkage_schema(agreement)
        del schema["clkConfig"]["xor_folds"]
        return schema

    monkeypatch.setattr(clk_module, "linkage_schema", without_folds)
    with pytest.raises(ConfigError, match="folds"):
        ClkEncoder(agreement_with([NAME], xor_folds=1), KEY)


def test_a_record_without_identifiers_has_no_bit(agreement_with):
    columns = {"surname": [""], "sex": [""], "date_of_birth": [""], "case_number": [""]}
    assert not ClkEncoder(agreement_with([NAME, SEX, BORN, NUMBER]), KEY).encode(columns).any()


def test_missing_values_do_not_make_records_alike(agreement_with):
    encoder = ClkEncoder(agreement_with([NAME, SEX]), KEY)
    alone = encoder.encode({"surname": ["smith", ""], "sex": ["", "f"]})
    both = encoder.encode({"surname": ["smith"], "sex": ["f"]})
    assert np.array_equal(alone[0] | alone[1], both[0])


def test_a_batch_of_no_records(agreement_with):
    assert ClkEncoder(agreement_with([NAME, SEX]), KEY).encode({"surname": [], "sex": []}).shape == (0, 128)


def test_batches_and_full_caches_change_nothing(agreement_with, monkeypatch):
    columns = {
        "surname": [f"name{chr(97 + number % 26)}{chr(97 + number // 26)}" for number in range(300)],
        "sex": ["f", "m", ""] * 100,
    }
    whole = ClkEncoder(agreement_with([NAME, SEX]), KEY).encode(columns)
    monkeypatch.setattr(clk_module, "CACHE_BYTES", 4_096)
    monkeypatch.setattr(clk_module, "_CHUNK_BYTES", 1_000)
    small = ClkEncoder(agreement_with([NAME, SEX]), KEY)
    assert np.array_equal(small.encode(columns), whole)
    parts = [
        small.encode({name: values[at : at + 7] for name, values in columns.items()})
        for at in range(0, 300, 7)
    ]
    assert np.array_equal(np.vstack(parts), whole)


@pytest.mark.parametrize("kept", [4_096, 1 << 28])
def test_rows_of_a_dataset_are_encoded_a_few_at_a_time_and_of_another_dataset_then(
    agreement_with, monkeypatch, kept
):
    monkeypatch.setattr(clk_module, "CACHE_BYTES", kept)
    monkeypatch.setattr(clk_module, "_CHUNK_BYTES", 1_000)
    encoder = ClkEncoder(agreement_with([NAME, SEX]), KEY)
    for turn in ("a", "b"):
        columns = {
            "surname": [
                f"{turn}name{chr(97 + number % 26)}{chr(97 + number // 26)}" for number in range(300)
            ],
            "sex": ["f", "m", ""] * 100,
        }
        numbered = {name: coded(values) for name, values in columns.items()}
        backwards = np.arange(299, -1, -1)
        parts = [encoder.encode_coded(numbered, backwards[at : at + 70]) for at in range(0, 300, 70)]
        expected = ClkEncoder(agreement_with([NAME, SEX]), KEY).encode(columns)[::-1]
        assert np.array_equal(np.vstack(parts), expected)
        names = encoder._features[0]
        assert names._all_values is numbered["surname"].distinct
        assert (names._all is None) == (kept == 4_096)


def test_numbered_columns_that_are_short_or_not_there_are_refused(agreement_with):
    encoder = ClkEncoder(agreement_with([NAME, SEX]), KEY)
    names = coded(["smith", "jones"])
    with pytest.raises(DataError, match="length"):
        encoder.encode_coded({"surname": names, "sex": coded(["f"])}, np.arange(1))
    with pytest.raises(DataError, match="'sex'"):
        encoder.encode_coded({"surname": names}, np.arange(1))


def test_columns_beside_the_features_and_their_order_do_not_matter(agreement_with):
    encoder = ClkEncoder(agreement_with([NAME, SEX]), KEY)
    one = encoder.encode({"surname": ["smith"], "sex": ["f"]})
    assert np.array_equal(one, encoder.encode({"postcode": ["m11aa"], "sex": ["f"], "surname": ["smith"]}))


def test_another_key_gives_another_clk(agreement_with):
    columns = {"surname": ["smith"], "sex": ["f"]}
    one, other = (ClkEncoder(agreement_with([NAME, SEX]), key).encode(columns) for key in (KEY, b"j" * 32))
    assert not np.array_equal(one, other)


def test_an_empty_key_is_refused(agreement_with):
    with pytest.raises(KeyFileError):
        ClkEncoder(agreement_with([NAME]), b"")


def test_a_column_that_is_not_there_is_refused(agreement_with):
    with pytest.raises(DataError, match="'sex'"):
        ClkEncoder(agreement_with([NAME, SEX]), KEY).encode({"surname": ["smith"]})


def test_short_columns_are_refused(agreement_with):
    with pytest.raises(DataError, match="length"):
        ClkEncoder(agreement_with([NAME, SEX]), KEY).encode({"surname": ["smith", "jones"], "sex": ["f"]})


@pytest.mark.parametrize(
    ("feature", "identifier", "value"),
    [
        (NUMBER, "case_number", "canary7"),
        (BORN, "date_of_birth", "canary 1967"),
        (NAME, "surname", "canary\ud800"),
    ],
)
def test_a_value_that_is_not_standardised_is_refused_and_not_shown(
    agreement_with, feature, identifier, value
):
    with pytest.raises(DataError) as caught:
        ClkEncoder(agreement_with([feature]), KEY).encode({identifier: [value]})
    with pytest.raises(DataError, match="standardised"):
        ClkEncoder(agreement_with([feature]), KEY).encode_coded({identifier: coded([value])}, np.arange(1))
    error = caught.value
    assert identifier in error.message
    assert "canary" not in f"{error.message}{error.hint}{error.findings}"
    assert error.__suppress_context__


@pytest.mark.parametrize("identifier", ["surname", "date_of_birth", "sex", "postcode"])
def test_numeric_comparison_of_what_is_no_number_is_refused(agreement_with, identifier):
    feature = NUMBER.model_copy(update={"identifier": identifier})
    with pytest.raises(ConfigError) as caught:
        linkage_schema(agreement_with([NAME, feature]))
    assert caught.value.findings[0].column == "encoding.clk.features[1]"


def test_a_distance_below_one_keeps_its_decimals(agreement_with):
    schema = linkage_schema(agreement_with([NUMBER.model_copy(update={"threshold_distance": 0.25})]))
    comparison = schema["features"][0]["hashing"]["comparison"]
    assert (comparison["thresholdDistance"], comparison["fractional_precision"]) == (0.25, 2)
    with pytest.raises(ConfigError, match="can't be encoded"):
        linkage_schema(agreement_with([NUMBER.model_copy(update={"threshold_distance": 1e-7})]))


def test_the_encoder_shows_no_key(agreement_with):
    encoder = ClkEncoder(agreement_with([NAME]), b"canary-key-canary-key")
    assert "canary" not in repr(encoder)
    assert not hasattr(encoder, "__dict__")


def test_importing_shows_nothing_though_pkg_resources_warns(tmp_path):
    (tmp_path / "pkg_resources.py").write_text(
        "import warnings\n"
        "class DistributionNotFound(Exception): pass\n"
        "def get_distribution(name): raise DistributionNotFound\n"
        "for kind in (UserWarning, DeprecationWarning):\n"
        "    warnings.warn('pkg_resources is deprecated as an API. See its pages.', kind, stacklevel=2)\n"
    )
    root = Path(__file__).parents[3]
    done = subprocess.run(
        [sys.executable, "-W", "default", "-c", "import pprl.encode.clk"],
        env={**os.environ, "PYTHONPATH": f"{tmp_path}{os.pathsep}{root}"},
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout + done.stderr == ""


def test_the_format_of_each_feature_is_that_of_its_standardised_values(agreement_with):
    schema = linkage_schema(agreement_with([NAME, SEX, BORN, NUMBER]))
    formats = {each["identifier"]: each["format"] for each in schema["features"]}
    assert formats["date_of_birth"] == {"type": "date", "format": "%Y-%m-%d"}
    assert formats["sex"] == {"type": "enum", "values": ["f", "m"]}
    assert formats["case_number"] == {"type": "integer"}
