"""Scheme `clk`: standardised records to cryptographic longterm keys, byte for byte as clkhash makes them.

Runs at departments only. `linkage_schema` writes the agreement's parameters as a clkhash linkage schema
(version 3), which a department may hand to clkhash itself together with its standardised columns: it would get
the same bytes. `ClkEncoder` gets them faster. A CLK is the union of its features' Bloom filters, and a
feature's filter is the union of its tokens' filters; so each distinct token is hashed when it is first met
(`clk_tokens`), and the rest is OR and, at the end, the exclusive-or folds.

What clkhash would let pass is settled here:

- keys follow a feature's position, so the order is the agreement's, whatever columns a department has;
- a missing value (the empty string) sets no bit; the schema says so too, with a sentinel that is replaced;
- it folds only at the key `xor_folds`, though its own documents write `xorFolds`: the schema has both, and the
  encoder checks that the length and the number of folds arrived;
- an empty key is refused.

Source: Schnell, Bachteler and Reiher, "A novel error-tolerant anonymous linking code" (2011); clkhash 0.17.0.
"""

from __future__ import annotations

import base64
import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from pprl.encode.clk_tokens import TokenFilters, ValueFilters, renumbered
from pprl.encode.passes import Coded, coded
from pprl.encode.standardise import FIRST_YEAR, LAST_YEAR, MOST_CHARACTERS
from pprl.errors import ConfigError, DataError, Finding, KeyFileError
from pprl.protocol.agreement import Agreement, ClkFeature
from pprl.protocol.kinds import Kind

with warnings.catch_warnings():
    # clkhash looks up its own version with pkg_resources, which warns that it will go; users can't help it.
    warnings.filterwarnings("ignore", message=r"(?s).*pkg_resources")
    from clkhash.key_derivation import generate_key_lists
    from clkhash.schema import from_json_dict

KDF_INFO = b"pprl/v1/clk linkage schema"
KDF_SALT = b"pprl/v1/clk salt"
KDF_KEY_BYTES = 64
MOST_DECIMALS = 6
COMPARED_BY_SIZE: tuple[Kind, ...] = ("year-of-birth", "number", "code")

CACHE_BYTES = 256 * 2**20
_CHUNK_BYTES = 4 * 2**20

_Column = TypeVar("_Column", Sequence[str], Coded)


def linkage_schema(agreement: Agreement) -> dict[str, Any]:
    """Write scheme `clk`'s parameters as a clkhash linkage schema. Anyone who has the agreement may run it.

    Args:
        agreement: a parsed agreement.

    Returns:
        The schema as JSON values, the same for every party; features in the agreement's order, which is also
        the order of columns that clkhash expects.

    Raises:
        ConfigError: a feature that clkhash can't express.
    """
    problems = [
        Finding(problem, column=f"encoding.clk.features[{index}]")
        for index, feature in enumerate(agreement.encoding.clk_parameters.features)
        if (problem := _cannot_be_expressed(feature, agreement.kind_of(feature.identifier)))
    ]
    if problems:
        raise ConfigError("The agreement's CLK features can't be encoded.", findings=tuple(problems))
    clk = agreement.encoding.clk_parameters
    return {
        "version": 3,
        "clkConfig": {
            "l": clk.clk_bits,
            "xor_folds": clk.xor_folds,
            "xorFolds": clk.xor_folds,
            "kdf": {
                "type": "HKDF",
                "hash": "SHA256",
                "info": base64.b64encode(KDF_INFO).decode(),
                "salt": base64.b64encode(KDF_SALT).decode(),
                "keySize": KDF_KEY_BYTES,
            },
        },
        "features": [_feature(feature, agreement.kind_of(feature.identifier)) for feature in clk.features],
    }


def _cannot_be_expressed(feature: ClkFeature, kind: Kind) -> str:
    """Why a feature has no schema; empty if it has one."""
    if feature.comparison != "numeric":
        return ""
    if kind not in COMPARED_BY_SIZE:
        return f"comparison numeric is for {', '.join(COMPARED_BY_SIZE)}; '{feature.identifier}' is a {kind}"
    if _decimals(feature.threshold_distance or 0) > MOST_DECIMALS:
        return f"threshold_distance has more than {MOST_DECIMALS} decimals"
    return ""


def _feature(feature: ClkFeature, kind: Kind) -> dict[str, Any]:
    return {
        "identifier": feature.identifier,
        "format": _format(feature, kind),
        "hashing": {
            "comparison": _comparison(feature),
            "strategy": _strategy(feature),
            "hash": _hash(feature),
            "missingValue": {"sentinel": "", "replaceWith": ""},
        },
    }


def _format(feature: ClkFeature, kind: Kind) -> dict[str, Any]:
    """The format that the standardised values of a kind have; a date is hashed as its eight digits."""
    if kind == "date-of-birth":
        return {"type": "date", "format": "%Y-%m-%d"}
    if kind == "year-of-birth":
        return {"type": "integer", "minimum": FIRST_YEAR, "maximum": LAST_YEAR}
    if feature.comparison == "numeric":
        return {"type": "integer"}
    if kind == "sex":
        return {"type": "enum", "values": ["f", "m"]}
    return {"type": "string", "encoding": "utf-8", "maxLength": MOST_CHARACTERS}


def _comparison(feature: ClkFeature) -> dict[str, Any]:
    if feature.comparison == "ngram":
        return {"type": "ngram", "n": feature.n, "positional": feature.positional}
    if feature.comparison == "exact":
        return {"type": "exact"}
    distance = feature.threshold_distance or 0
    decimals = _decimals(distance)
    return {
        "type": "numeric",
        "thresholdDistance": distance if decimals else int(distance),
        "resolution": feature.resolution,
        "fractional_precision": decimals,
    }


def _strategy(feature: ClkFeature) -> dict[str, Any]:
    if feature.bits_per_token is not None:
        return {"bitsPerToken": feature.bits_per_token}
    return {"bitsPerFeature": feature.bits_per_feature}


def _hash(feature: ClkFeature) -> dict[str, Any]:
    if feature.hash == "blake":
        return {"type": "blakeHash"}
    return {"type": "doubleHash", "prevent_singularity": True}


def _decimals(number: float) -> int:
    """Digits behind the decimal point: without them clkhash would round the distance to a whole number."""
    exponent = Decimal(repr(number)).normalize().as_tuple().exponent
    return max(0, -int(exponent))


class ClkEncoder:
    """Makes CLKs under one key. A department makes one for a run and gives it batch after batch.

    Holds the key's derivates and, up to a bound, filters of the tokens that it has met.

    Args:
        agreement: a parsed agreement.
        key: the encoding key, derived from the departments' linkage secret.

    Raises:
        KeyFileError: the key is empty.
        ConfigError: a feature that clkhash can't express.
    """

    __slots__ = ("_clk_bytes", "_features", "_filter_bytes", "_folds")

    def __init__(self, agreement: Agreement, key: bytes) -> None:
        if not key:
            raise KeyFileError("The encoding key is empty.", hint="Make the linkage secret first.")
        clk = agreement.encoding.clk_parameters
        schema = from_json_dict(linkage_schema(agreement))
        if (schema.l, schema.xor_folds) != (clk.clk_bits, clk.xor_folds):
            raise ConfigError("clkhash did not take over the length of CLKs and the number of folds.")
        keys = generate_key_lists(
            key,
            len(schema.fields),
            key_size=schema.kdf_key_size,
            salt=schema.kdf_salt,
            info=schema.kdf_info,
            kdf=schema.kdf_type,
            hash_algo=schema.kdf_hash,
        )
        self._folds = clk.xor_folds
        self._clk_bytes = clk.clk_bits // 8
        self._filter_bytes = self._clk_bytes << clk.xor_folds
        self._features = [
            TokenFilters(
                feature,
                agreement.kind_of(feature.identifier),
                field,
                field_keys,
                filter_bytes=self._filter_bytes,
                cache_bytes=CACHE_BYTES // len(clk.features),
            )
            for feature, field, field_keys in zip(clk.features, schema.fields, keys, strict=True)
        ]

    def encode(self, columns: Mapping[str, Sequence[str]]) -> NDArray[np.uint8]:
        """Encode a batch of records.

        Args:
            columns: standardised values by identifier, as `prepare` gives them; "" where missing.

        Returns:
            One row a record, clk_bits // 8 wide, the bytes of clkhash's bit array. A record of which
            everything is missing has no bit set.

        Raises:
            DataError: an identifier's column is absent, columns differ in length, or a value is not
                standardised.

        Leaks: with the key, every value; without it, the similarity of every two records.
        """
        chosen = self._chosen(columns)
        rows = _the_length({len(column) for column in chosen})
        texts = [_Texts(column, feature) for column, feature in zip(chosen, self._features, strict=True)]
        return self._clks(rows, texts)

    def encode_coded(self, columns: Mapping[str, Coded], rows: NDArray[np.integer[Any]]) -> NDArray[np.uint8]:
        """Encode some records of a dataset, in any order.

        Args:
            columns: standardised columns by identifier, numbered; "" where missing.
            rows: places of the records that are wanted, shape (wanted,).

        Returns:
            As `encode`, a row a wanted record.

        Raises:
            DataError: as `encode`.

        Leaks: as `encode`.
        """
        chosen = self._chosen(columns)
        _the_length({len(column.codes) for column in chosen})
        wanted = [
            _Wanted(column, rows, feature) for column, feature in zip(chosen, self._features, strict=True)
        ]
        return self._clks(len(rows), wanted)

    def _chosen(self, columns: Mapping[str, _Column]) -> list[_Column]:
        for feature in self._features:
            if feature.identifier not in columns:
                raise DataError(f"There is no column for identifier '{feature.identifier}'.")
        return [columns[feature.identifier] for feature in self._features]

    def _clks(self, rows: int, columns: Sequence[_Texts | _Wanted]) -> NDArray[np.uint8]:
        """Some megabytes of filters at a time, so that memory does not grow with the records."""
        clks = np.empty((rows, self._clk_bytes), dtype=np.uint8)
        step = max(1, _CHUNK_BYTES // self._filter_bytes)
        for start in range(0, rows, step):
            stop = min(start + step, rows)
            filters = np.zeros((stop - start, self._filter_bytes // 8), dtype=np.uint64)
            for column in columns:
                values, codes = column.between(start, stop)
                values.add_to(filters, codes)
            clks[start:stop] = _folded(filters.view(np.uint8), self._folds)
        return clks


def _the_length(lengths: set[int]) -> int:
    if len(lengths) != 1:
        raise DataError("The columns to encode differ in length.")
    return lengths.pop()


@dataclass(frozen=True, slots=True)
class _Texts:
    """A column of values, and its feature."""

    column: Sequence[str]
    feature: TokenFilters

    def between(self, start: int, stop: int) -> tuple[ValueFilters, NDArray[np.int32]]:
        """The filters of the values between two rows, and which of them each row has."""
        some = coded(self.column[start:stop])
        return self.feature.of(some.distinct, records=stop - start), some.codes.astype(np.int32, copy=False)


class _Wanted:
    """Some rows of a numbered column, and its feature.

    If there is room, filters are of all values of the column; else of those that some rows have.
    """

    __slots__ = ("_all", "_column", "_feature", "_place_of", "_rows")

    def __init__(self, column: Coded, rows: NDArray[np.integer[Any]], feature: TokenFilters) -> None:
        self._column, self._rows, self._feature = column, rows, feature
        self._all = feature.of_all(column.distinct, records=len(column.codes))
        self._place_of = np.full(0 if self._all else len(column.distinct), -1, dtype=np.int32)

    def between(self, start: int, stop: int) -> tuple[ValueFilters, NDArray[np.int32]]:
        """As `_Texts.between`, on the wanted rows."""
        codes = self._column.codes[self._rows[start:stop]]
        if self._all:
            return self._all, codes.astype(np.int32, copy=False)
        used = np.empty(len(codes), dtype=np.int64)
        count, places = renumbered(codes.astype(np.int64), self._place_of, used)
        values = [self._column.distinct[code] for code in used[:count].tolist()]
        return self._feature.of(values, records=len(codes)), places


def _folded(filters: NDArray[np.uint8], folds: int) -> NDArray[np.uint8]:
    for _ in range(folds):
        half = filters.shape[1] // 2
        filters = filters[:, :half] ^ filters[:, half:]
    return filters
