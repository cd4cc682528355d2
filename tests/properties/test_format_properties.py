"""Whatever the table, writing and reading give it back; whatever the bytes, a reader accepts them or refuses."""

from __future__ import annotations

import base64
import contextlib
import io
import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from pprl.errors import DisclosureError, FormatError, VerificationError
from pprl.protocol import agreement as agreements
from pprl.protocol import canonical, crosswalk, framing, linkage_keys, pairs, patterns, submission
from pprl.protocol.framing import ID_BYTES, Bytes
from tests.support.submissions import write_submission

CONFORMANCE = Path(__file__).parents[1] / "conformance"
FILES = [
    json.loads((CONFORMANCE / name / "vectors.json").read_bytes())
    for name in (
        "submission",
        "pairs",
        "linkage_keys",
        "crosswalk",
        "blocked_encodings",
        "blocked_references",
        "patterns",
        "kept_references",
    )
]
AGREEMENT = agreements.parse(FILES[0]["agreements"]["usual"].encode(), where="vectors.json")
FIELD_FILTERS = agreements.parse(FILES[0]["agreements"]["field-filters"].encode(), where="vectors.json")
KEEPING = agreements.parse(FILES[0]["agreements"]["keeping"].encode(), where="vectors.json")
REFUSALS = (FormatError, VerificationError, DisclosureError)
FILTER_BYTES = 64
MOST = 20
SECRET = {"key_check": "c" * 32, "transcript": "7" * 64, "confirmation": "d" * 64}

many = settings(max_examples=100, deadline=None, suppress_health_check=[HealthCheck.too_slow])


@dataclass(frozen=True)
class Format:
    name: str
    parse: Callable[[bytes], Any]
    write: Callable[[Any], bytes]
    usual: bytes


def _containers(raw: bytes) -> list[bytes]:
    return [raw[start : start + length] for start, length in submission.containers(io.BytesIO(raw))]


def _usual(kind: str) -> bytes:
    found = [each for file in FILES for each in file["vectors"] if each["name"] == f"{kind}: usual"]
    return base64.b64decode(found[0]["base64"])


FORMATS = [
    Format(name, parse, write, _usual(name))
    for name, parse, write in (
        (
            "encodings",
            lambda raw: submission.parse_encodings(raw, AGREEMENT),
            submission.write_encodings,
        ),
        (
            "references",
            lambda raw: submission.parse_references(raw, AGREEMENT),
            submission.write_references,
        ),
        ("submission", _containers, lambda both: write_submission(*both)),
        ("pairs", lambda raw: pairs.parse(raw, AGREEMENT), pairs.write),
        (
            "blocked-encodings",
            lambda raw: submission.parse_encodings(raw, FIELD_FILTERS),
            submission.write_encodings,
        ),
        (
            "blocked-references",
            lambda raw: submission.parse_references(raw, FIELD_FILTERS),
            submission.write_references,
        ),
        (
            "kept-references",
            lambda raw: submission.parse_references(raw, KEEPING),
            submission.write_references,
        ),
        ("patterns", lambda raw: patterns.parse(raw, FIELD_FILTERS), patterns.write),
        ("linkage-keys", lambda raw: linkage_keys.parse(raw, AGREEMENT), linkage_keys.write),
        ("crosswalk", lambda raw: crosswalk.parse(raw, AGREEMENT), crosswalk.write),
    )
]
every_format = pytest.mark.parametrize("of", FORMATS, ids=lambda of: of.name)

# Few distinct bytes, so that ids often agree in a half, or wholly.
an_id = st.one_of(
    st.binary(min_size=ID_BYTES, max_size=ID_BYTES),
    st.lists(st.sampled_from([0, 1, 127, 128, 255]), min_size=2, max_size=2).map(
        lambda two: bytes([*[two[0]] * 8, *[two[1]] * 8])
    ),
)
some_ids = st.lists(an_id, max_size=MOST)
distinct_ids = st.lists(an_id, max_size=MOST, unique=True)


def table(records: list[bytes], width: int = ID_BYTES) -> Bytes:
    return np.frombuffer(b"".join(records), dtype=np.uint8).reshape(len(records), width)


def accept_or_refuse(of: Format, raw: bytes) -> None:
    """A reader accepts, and then the bytes are the one spelling of what it read; or it refuses properly."""
    with contextlib.suppress(*REFUSALS):
        assert of.write(of.parse(raw)) == raw


@every_format
@many
@given(raw=st.binary(max_size=300))
def test_any_bytes(of: Format, raw: bytes) -> None:
    accept_or_refuse(of, raw)
    accept_or_refuse(of, of.usual[:8] + raw)


@every_format
def test_every_cut(of: Format) -> None:
    for length in range(len(of.usual)):
        with pytest.raises(FormatError):
            of.parse(of.usual[:length])


@every_format
@many
@given(data=st.data())
def test_a_byte_changed_put_in_or_taken_out(of: Format, data: st.DataObject) -> None:
    at = data.draw(st.integers(0, len(of.usual) - 1))
    byte = data.draw(st.binary(max_size=2))
    removed = data.draw(st.integers(0, 2))
    accept_or_refuse(of, of.usual[:at] + byte + of.usual[at + removed :])


def header_of(raw: bytes) -> tuple[dict[str, Any], bytes]:
    end = 12 + int.from_bytes(raw[8:12], "big")
    return canonical.loads(raw[12:end]), raw[end:]


def with_header(raw: bytes, header: Any, body: bytes) -> bytes:
    head = canonical.dumps(header)
    return raw[:8] + len(head).to_bytes(4, "big") + head + body


values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**53) + 1, 2**53 - 1)
    | st.sampled_from([0, 1, 2**31, 2**31 + 1, "clk", "events", "people", "north", "0" * 32, "0" * 64, ""]),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(["name", "x"]), inner, max_size=3)
    ),
    max_leaves=6,
)


def places(tree: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """Every place in a JSON value."""
    inner = tree.items() if isinstance(tree, dict) else enumerate(tree) if isinstance(tree, list) else ()
    return [path, *(place for key, value in inner for place in places(value, (*path, key)))]


def changed(tree: Any, path: tuple[Any, ...], value: Any) -> Any:
    if not path:
        return value
    copy = dict(tree) if isinstance(tree, dict) else list(tree)
    copy[path[0]] = changed(copy[path[0]], path[1:], value)
    return copy


@pytest.mark.parametrize("of", [of for of in FORMATS if of.name != "submission"], ids=lambda of: of.name)
@many
@given(data=st.data())
def test_any_value_anywhere_in_the_header(of: Format, data: st.DataObject) -> None:
    header, body = header_of(of.usual)
    where = data.draw(st.sampled_from(places(header)))
    accept_or_refuse(of, with_header(of.usual, changed(header, where, data.draw(values)), body))


def about(records: int) -> dict[str, Any]:
    return {
        "agreement_sha256": AGREEMENT.sha256,
        "dataset": "events",
        "party": "north",
        "submission": "5" * 32,
        "records": records,
    }


@many
@given(references=distinct_ids, data=st.data())
def test_encodings_come_back(references: list[bytes], data: st.DataObject) -> None:
    a_filter = st.binary(min_size=FILTER_BYTES // 2, max_size=FILTER_BYTES // 2).map(
        lambda half: half + b"\x01" + bytes(31)
    )
    filters = [data.draw(a_filter) for _ in references]
    encoded = submission.EncodedPass(
        name="clk", records=len(references), record_bytes=ID_BYTES + FILTER_BYTES
    )
    header = submission.ClkHeader(
        **about(max(1, len(references))), **SECRET, rows_root="e" * 64, passes=(encoded,)
    )
    made = submission.Encodings(header, (table(references),), (table(filters, FILTER_BYTES),))
    read = submission.parse_encodings(submission.write_encodings(made), AGREEMENT)
    assert read.header == header
    assert rows(read.references[0], read.filters[0]) == sorted(zip(references, filters, strict=True))


@many
@given(handles=st.lists(an_id, min_size=1, max_size=MOST, unique=True), data=st.data())
def test_references_come_back(handles: list[bytes], data: st.DataObject) -> None:
    places = data.draw(st.lists(st.integers(0, len(handles) - 1), max_size=len(handles), unique=True))
    references = data.draw(st.lists(an_id, min_size=len(places), max_size=len(places), unique=True))
    counted = submission.CountedPass(name="clk", records=len(references))
    header = submission.ReferencesHeader(**about(len(handles)), passes=(counted,))
    made = submission.References(
        header, table(sorted(handles)), (table(references),), (np.array(places, dtype=np.int64),)
    )
    read = submission.parse_references(submission.write_references(made), AGREEMENT)
    assert [bytes(row) for row in read.handles] == sorted(handles)
    found = zip([bytes(row) for row in read.references[0]], read.positions[0].tolist(), strict=True)
    assert list(found) == sorted(zip(references, places, strict=True))


@many
@given(first=st.binary(max_size=50), second=st.binary(max_size=50))
def test_containers_come_back(first: bytes, second: bytes) -> None:
    assert _containers(write_submission(first, second)) == [first, second]


@many
@given(events=distinct_ids, people=distinct_ids, data=st.data())
def test_pairs_come_back(events: list[bytes], people: list[bytes], data: st.DataObject) -> None:
    ids = {"events": events, "people": people}
    sides = [("events", "events"), ("events", "people"), ("people", "people")]
    drawn = [data.draw(st.sets(st.sampled_from(possible), max_size=MOST)) if possible else set()
             for possible in (possible_pairs(ids, *names) for names in sides)]  # fmt: skip
    levels = [{pair: data.draw(st.integers(5_000, 10_000)) for pair in found} for found in drawn]
    flipped = data.draw(st.booleans())
    header = pairs.PairsHeader(
        agreement_sha256=AGREEMENT.sha256,
        scheme="clk",
        datasets=tuple(
            pairs.MatchedDataset(
                dataset=name, submission="5" * 32, records=max(1, len(ids[name])), encoded=len(ids[name])
            )
            for name in ids
        ),
        tables=tuple(
            pairs.PairTable(
                left=left,
                right=right,
                blocking_pass="clk",
                compared=len(possible_pairs(ids, left, right)),
                floor=5_000,
                pairs=len(found),
            )
            for (left, right), found in zip(sides, levels, strict=True)
        ),
    )
    written = tuple(
        reference_pairs(found, flipped=flipped and left == right)
        for (left, right), found in zip(sides, levels, strict=True)
    )
    read = pairs.parse(pairs.write(pairs.PairsDocument(header, written)), AGREEMENT)
    for each, found in zip(read.tables, levels, strict=True):
        assert rows(each.left, each.right) == sorted(found)
        assert each.levels.tolist() == [found[pair] for pair in sorted(found)]


def possible_pairs(ids: dict[str, list[bytes]], left: str, right: str) -> list[tuple[bytes, bytes]]:
    return [(one, other) for one in ids[left] for other in ids[right] if left != right or one < other]


def reference_pairs(found: dict[tuple[bytes, bytes], int], *, flipped: bool) -> pairs.ReferencePairs:
    sides = [pair[::-1] if flipped else pair for pair in found]
    return pairs.ReferencePairs(
        table([left for left, _ in sides]),
        table([right for _, right in sides]),
        np.array(list(found.values()), dtype=np.int64),
    )


@many
@given(handles=st.lists(an_id, min_size=1, max_size=MOST, unique=True), data=st.data())
def test_linkage_keys_come_back(handles: list[bytes], data: st.DataObject) -> None:
    keys = [data.draw(an_id) for _ in handles]
    header = linkage_keys.LinkageKeysHeader(**about(len(handles)))
    made = linkage_keys.LinkageKeys(header, table(handles), table(keys))
    read = linkage_keys.parse(linkage_keys.write(made), AGREEMENT)
    assert rows(read.handles, read.keys) == sorted(zip(handles, keys, strict=True))


@many
@given(people=st.lists(an_id, max_size=6, unique=True), data=st.data())
def test_a_crosswalk_comes_back(people: list[bytes], data: st.DataObject) -> None:
    owners = [person for person in people for _ in range(data.draw(st.integers(2, 3)))]
    keys = data.draw(st.lists(an_id, min_size=len(owners), max_size=len(owners), unique=True))
    found = [(person, key, data.draw(st.integers(0, 1))) for person, key in zip(owners, keys, strict=True)]
    shuffled = data.draw(st.permutations(found))
    header = crosswalk.CrosswalkHeader(
        agreement_sha256=AGREEMENT.sha256,
        datasets=("events", "people"),
        linkage_keys=len(found),
        records=data.draw(st.integers(max(2, len(found)), 40)),
    )
    made = crosswalk.Crosswalk(
        header,
        table([person for person, _, _ in shuffled]),
        np.array([dataset for _, _, dataset in shuffled], dtype=np.int64),
        table([key for _, key, _ in shuffled]),
    )
    read = crosswalk.parse(crosswalk.write(made), AGREEMENT)
    assert rows(read.people, read.keys) == [row[:2] for row in sorted(found)]
    assert read.datasets.tolist() == [dataset for _, _, dataset in sorted(found)]


def rows(left: Bytes, right: Bytes) -> list[tuple[bytes, bytes]]:
    return [(bytes(one), bytes(other)) for one, other in zip(left, right, strict=True)]


@many
@given(wanted=some_ids, among=distinct_ids)
def test_positions_are_those_of_a_dict(wanted: list[bytes], among: list[bytes]) -> None:
    place_of = {each: place for place, each in enumerate(sorted(among))}
    found = framing.positions(table(wanted), table(sorted(among)))
    assert found.tolist() == [place_of.get(each, -1) for each in wanted]


@many
@given(records=some_ids)
def test_ascending_is_sorted_and_keeps_the_order_of_equals(records: list[bytes]) -> None:
    order = framing.ascending(table(records)).tolist()
    assert order == sorted(range(len(records)), key=records.__getitem__)


@many
@given(records=st.one_of(some_ids, some_ids.map(sorted), distinct_ids.map(sorted)))
def test_require_ascending_and_distinct_are_those_of_sorted_and_set(records: list[bytes]) -> None:
    in_order, distinct = records == sorted(records), len(set(records)) == len(records)
    assert accepts(framing.require_ascending, records) == (in_order and distinct)
    assert accepts(framing.require_distinct, records) == distinct


@many
@given(left=some_ids, data=st.data())
def test_below_is_less_than(left: list[bytes], data: st.DataObject) -> None:
    right = [data.draw(an_id) for _ in left]
    expected = [one < other for one, other in zip(left, right, strict=True)]
    assert framing.below(table(left), table(right)).tolist() == expected


def accepts(check: Callable[..., None], records: list[bytes]) -> bool:
    try:
        check(table(records), what="id")
    except FormatError:
        return False
    return True
