"""Scheme `clk`: standardised records to cryptographic longterm keys, byte for byte as clkhash makes them.

Runs at departments only. `linkage_schema` writes the agreement's parameters as a clkhash linkage schema
(version 3), which a department may hand to clkhash itself together with its standardised columns: it would get
the same bytes. `ClkEncoder` gets them faster. A CLK is the union of its features' Bloom filters, and a
feature's filter is the union of its tokens' filters; so each distinct token is hashed once, by clkhash's own
functions, and the rest is OR and, at the end, the exclusive-or folds.

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
from decimal import Decimal
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pprl.encode.standardise import FIRST_YEAR, LAST_YEAR, MOST_CHARACTERS
from pprl.errors import ConfigError, DataError, Finding, KeyFileError
from pprl.protocol.agreement import Agreement, ClkFeature
from pprl.protocol.kinds import Kind

with warnings.catch_warnings():
    # clkhash looks up its own version with pkg_resources, which warns that it will go; users can't help it.
    warnings.filterwarnings("ignore", message=r"(?s).*pkg_resources")
    from clkhash.bloomfilter import hashing_function_from_properties
    from clkhash.key_derivation import generate_key_lists
    from clkhash.schema import from_json_dict

KDF_INFO = b"pprl/v1/clk linkage schema"
KDF_SALT = b"pprl/v1/clk salt"
KDF_KEY_BYTES = 64
MOST_DECIMALS = 6
COMPARED_BY_SIZE: tuple[Kind, ...] = ("year-of-birth", "number", "code")

CACHE_BYTES = 256 * 2**20
_CHUNK_BYTES = 8 * 2**20


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

    Holds the key's derivates and, in bounded caches, filters of values and tokens it has met.

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
        budget = CACHE_BYTES // len(schema.fields)
        self._features = [
            _Feature(field, field_keys, self._filter_bytes, budget)
            for field, field_keys in zip(schema.fields, keys, strict=True)
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
        values = [self._column(columns, feature.identifier) for feature in self._features]
        rows = len(values[0])
        if any(len(column) != rows for column in values):
            raise DataError("The columns to encode differ in length.")
        clks = np.empty((rows, self._clk_bytes), dtype=np.uint8)
        step = max(1, _CHUNK_BYTES // self._filter_bytes)
        for start in range(0, rows, step):
            stop = min(start + step, rows)
            clks[start:stop] = self._encode_chunk([column[start:stop] for column in values], stop - start)
        return clks

    @staticmethod
    def _column(columns: Mapping[str, Sequence[str]], identifier: str) -> Sequence[str]:
        if identifier not in columns:
            raise DataError(f"There is no column for identifier '{identifier}'.")
        return columns[identifier]

    def _encode_chunk(self, values: list[Sequence[str]], rows: int) -> NDArray[np.uint8]:
        """Records of a few megabytes of filters, so that memory does not grow with the batch."""
        filters = np.zeros((rows, self._filter_bytes // 8), dtype=np.uint64)
        for feature, column in zip(self._features, values, strict=True):
            position: dict[str, int] = {}
            positions = [position.setdefault(value, len(position)) for value in column]
            table = np.frombuffer(b"".join(map(feature.filter_of, position)), dtype=np.uint64)
            filters |= table.reshape(len(position), -1)[positions]
        return _folded(filters.view(np.uint8), self._folds)


def _folded(filters: NDArray[np.uint8], folds: int) -> NDArray[np.uint8]:
    for _ in range(folds):
        half = filters.shape[1] // 2
        filters = filters[:, :half] ^ filters[:, half:]
    return filters


class _Feature:
    """One feature's Bloom filters, hashed by clkhash once for each distinct token.

    Args:
        field: clkhash's own specification of the feature.
        keys: the feature's derived keys.
        filter_bytes: length of a filter before folding.
        cache_bytes: bound on the filters kept; when it is reached they are dropped and made anew.
    """

    __slots__ = (
        "_field",
        "_filter_bytes",
        "_hash",
        "_keys",
        "_most_kept",
        "_of_token",
        "_of_value",
        "identifier",
    )

    def __init__(self, field: Any, keys: Sequence[bytes], filter_bytes: int, cache_bytes: int) -> None:
        self.identifier: str = field.identifier
        self._field = field
        self._keys = keys
        self._filter_bytes = filter_bytes
        self._hash = hashing_function_from_properties(field.hashing_properties)
        self._most_kept = max(1, cache_bytes // (2 * filter_bytes))
        self._of_value: dict[str, bytes] = {}
        self._of_token: dict[tuple[str, int], int] = {}

    def filter_of(self, value: str) -> bytes:
        """The Bloom filter of one standardised value, before folding; all zero for a missing one."""
        known = self._of_value.get(value)
        if known is None:
            known = self._made(value).to_bytes(self._filter_bytes, "big")
            _keep(self._of_value, value, known, self._most_kept)
        return known

    def _made(self, value: str) -> int:
        try:
            return self._union(value) if value else 0
        except ValueError:
            # Of clkhash's own kinds or of Unicode's; the message holds the value, so it goes no further.
            raise DataError(
                f"Identifier '{self.identifier}' has a value that is not standardised.",
                hint="Encode only what was standardised for this agreement.",
            ) from None

    def _union(self, value: str) -> int:
        properties = self._field.hashing_properties
        tokens = list(properties.comparator.tokenize(self._field.format_value(value)))
        union = 0
        for token_and_bits in zip(tokens, properties.strategy.bits_per_token(len(tokens)), strict=True):
            known = self._of_token.get(token_and_bits)
            union |= self._hashed(token_and_bits) if known is None else known
        return union

    def _hashed(self, token_and_bits: tuple[str, int]) -> int:
        token, bits = token_and_bits
        encoding = self._field.hashing_properties.encoding
        filter_bits = self._hash([token], self._keys, [bits], self._filter_bytes * 8, encoding)
        hashed = int.from_bytes(filter_bits.tobytes(), "big")
        _keep(self._of_token, token_and_bits, hashed, self._most_kept)
        return hashed


def _keep(cache: dict[Any, Any], key: Any, value: Any, most: int) -> None:
    if len(cache) >= most:
        cache.clear()
    cache[key] = value
