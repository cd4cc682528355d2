from __future__ import annotations

import json

import pytest

from pprl.errors import FormatError
from pprl.protocol import canonical


@pytest.mark.parametrize(
    ("value", "raw"),
    [
        (None, b"null"),
        (True, b"true"),
        (0, b"0"),
        (-(2**53 - 1), b"-9007199254740991"),
        ("", b'""'),
        ('a "quoted" \\ word', rb'"a \"quoted\" \\ word"'),
        ([], b"[]"),
        ({}, b"{}"),
        ([1, [2, {"a": None}]], b'[1,[2,{"a":null}]]'),
        ({"b": 1, "a": 2, "B": 3, "": 4, "a b": 5}, b'{"":4,"B":3,"a":2,"a b":5,"b":1}'),
    ],
)
def test_one_spelling(value: object, raw: bytes) -> None:
    assert canonical.dumps(value) == raw
    assert canonical.loads(raw) == value
    assert json.loads(raw) == value


def test_tuples_are_arrays() -> None:
    assert canonical.dumps((1, (2,))) == b"[1,[2]]"


def test_as_deep_as_allowed() -> None:
    raw = b"[" * 33 + b"]" * 33
    assert canonical.dumps(canonical.loads(raw)) == raw


REFUSED = {
    "nothing": (b"", "not JSON"),
    "not JSON": (b"{", "not JSON"),
    "two values": (b"1 2", "not JSON"),
    "trailing brace": (b"{}}", "not JSON"),
    "line feed at the end": (b"{}\n", "spelt differently"),
    "space before": (b" {}", "spelt differently"),
    "space between": (b'{"a": 1}', "spelt differently"),
    "other order": (b'{"b":1,"a":2}', "spelt differently"),
    "name twice": (b'{"a":1,"a":1}', "a name twice"),
    "name twice, deep": (b'[{"b":{"a":1,"a":2}}]', "a name twice"),
    "name twice, by escape": (rb'{"a":1,"\u0061":2}', "a name twice"),
    "escape of a letter": (rb'"\u0061"', "spelt differently"),
    "escaped slash": (rb'"\/"', "spelt differently"),
    "escaped line feed": (rb'"\n"', "not printable"),
    "escaped zero": (rb'"\u0000"', "not printable"),
    "escaped letter beyond ASCII": (rb'"\u00e9"', "not printable"),
    "half a surrogate pair": (rb'"\ud800"', "not printable"),
    "delete character": (b'"\x7f"', "not printable"),
    "name beyond ASCII": (rb'{"\u00e9":1}', "not printable"),
    "letter beyond ASCII": ('"é"'.encode(), "not ASCII"),
    "byte order mark": (b"\xef\xbb\xbf{}", "not ASCII"),
    "tab in a string": (b'"\t"', "not JSON"),
    "fraction": (b"1.0", "not an integer"),
    "exponent": (b"1e2", "not an integer"),
    "infinity": (b"Infinity", "not an integer"),
    "not a number": (b'{"a":NaN}', "not an integer"),
    "overflowing exponent": (b"1e999", "not an integer"),
    "minus zero": (b"-0", "spelt differently"),
    "leading zero": (b"01", "not JSON"),
    "plus": (b"+1", "not JSON"),
    "2^53": (b"9007199254740992", "beyond"),
    "-2^53": (b"-9007199254740992", "beyond"),
    "thousands of digits": (b"9" * 10_000, "beyond"),
    "too deep": (b"[" * 34 + b"]" * 34, "inside each other"),
    "objects too deep": (b'{"":' * 33 + b"{}" + b"}" * 33, "inside each other"),
    "bottomless": (b"[" * 60_000, "not JSON|inside"),
    "bottomless and closed": (b"[" * 30_000 + b"]" * 30_000, "not JSON|inside"),
}


@pytest.mark.parametrize(("raw", "saying"), REFUSED.values(), ids=REFUSED.keys())
def test_refused(raw: bytes, saying: str) -> None:
    with pytest.raises(FormatError, match=f"^The note is not.*({saying})|^The note is ({saying})"):
        canonical.loads(raw, what="The note")


@pytest.mark.parametrize(
    "value",
    [1.5, float("nan"), b"bytes", "é", "\n", {1: 2}, {"é": 1}, [{"a": {1}}], 2**53, object()],
    ids=lambda value: type(value).__name__,
)
def test_what_has_no_spelling(value: object) -> None:
    with pytest.raises(FormatError):
        canonical.dumps(value)


def test_refusals_hold_no_value() -> None:
    for raw in (b'{"Ottoline":1,"Ottoline":2}', b'"Ottoline\\u00e9"', b'"Ottoline'):
        with pytest.raises(FormatError) as caught:
            canonical.loads(raw)
        assert "Ottoline" not in str(caught.value)
