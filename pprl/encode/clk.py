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
from collections.abc import Iterator, Mapping, Sequence
from decimal import Decimal
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from pprl.encode.clk_tokens import TokenFilters, Tokens, renumbered, unite
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
            (
                feature.identifier,
                TokenFilters(
                    feature,
                    agreement.kind_of(feature.identifier),
                    field,
                    field_keys,
                    filter_bytes=self._filter_bytes,
                    cache_bytes=CACHE_BYTES // len(clk.features),
                ),
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
        clks = np.empty((rows, self._clk_bytes), dtype=np.uint8)
        for start, stop in self._chunks(rows):
            clks[start:stop] = self._encode_chunk(
                [coded(column[start:stop]) for column in chosen], stop - start
            )
        return clks

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
        parts = [_Part(column) for column in chosen]
        clks = np.empty((len(rows), self._clk_bytes), dtype=np.uint8)
        for start, stop in self._chunks(len(rows)):
            wanted = [part.of(rows[start:stop]) for part in parts]
            clks[start:stop] = self._encode_chunk(wanted, stop - start)
        return clks

    def _chosen(self, columns: Mapping[str, _Column]) -> list[_Column]:
        for identifier, _ in self._features:
            if identifier not in columns:
                raise DataError(f"There is no column for identifier '{identifier}'.")
        return [columns[identifier] for identifier, _ in self._features]

    def _chunks(self, rows: int) -> Iterator[tuple[int, int]]:
        """Some megabytes of filters each, so that memory does not grow with the batch."""
        step = max(1, _CHUNK_BYTES // self._filter_bytes)
        for start in range(0, rows, step):
            yield start, min(start + step, rows)

    def _encode_chunk(self, columns: list[Coded], rows: int) -> NDArray[np.uint8]:
        filters = np.zeros((rows, self._filter_bytes // 8), dtype=np.uint64)
        for (identifier, tokens), column in zip(self._features, columns, strict=True):
            found = _tokens_of(column.distinct, identifier, tokens)
            unite(filters, column.codes.astype(np.int32), found.first, found.rows, tokens.filters)
        return _folded(filters.view(np.uint8), self._folds)


def _the_length(lengths: set[int]) -> int:
    if len(lengths) != 1:
        raise DataError("The columns to encode differ in length.")
    return lengths.pop()


def _tokens_of(values: Sequence[str], identifier: str, tokens: TokenFilters) -> Tokens:
    try:
        return tokens.tokens_of(values)
    except ValueError:
        # Of clkhash's own kinds or of Unicode's; the message holds the value, so it goes no further.
        raise DataError(
            f"Identifier '{identifier}' has a value that is not standardised.",
            hint="Encode only what was standardised for this agreement.",
        ) from None


class _Part:
    """Takes some rows of a numbered column, with the values that they have and no others."""

    __slots__ = ("_column", "_place_of")

    def __init__(self, column: Coded) -> None:
        self._column = column
        self._place_of = np.full(len(column.distinct), -1, dtype=np.int32)

    def of(self, rows: NDArray[np.integer[Any]]) -> Coded:
        used = np.empty(len(rows), dtype=np.int64)
        count, codes = renumbered(self._column.codes[rows].astype(np.int64), self._place_of, used)
        return Coded([self._column.distinct[code] for code in used[:count].tolist()], codes.astype(np.int64))


def _folded(filters: NDArray[np.uint8], folds: int) -> NDArray[np.uint8]:
    for _ in range(folds):
        half = filters.shape[1] // 2
        filters = filters[:, :half] ^ filters[:, half:]
    return filters
