from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
import pytest

from pprl.errors import FormatError
from pprl.protocol import canonical, framing
from pprl.protocol.framing import Bytes, DocumentHeader

MAGIC = b"PPRLXWK1"
DIGEST = "a" * 64
HEADER = DocumentHeader(agreement_sha256=DIGEST)


def table(*records: bytes) -> Bytes:
    return np.frombuffer(b"".join(records), dtype=np.uint8).reshape(len(records), -1)


def ids(*numbers: int) -> Bytes:
    return table(*(number.to_bytes(16, "big") for number in numbers))


NONE = np.empty((0, 16), dtype=np.uint8)
SAME_FIRST_HALF = ids(1, 2, 256, 2**63, 2**64 - 1)


def read(raw: bytes) -> tuple[DocumentHeader, memoryview]:
    return framing.read_header(raw, MAGIC, DocumentHeader)


def test_a_document_is_magic_length_header_and_tables() -> None:
    head = canonical.dumps({"agreement_sha256": DIGEST})
    raw = framing.write(MAGIC, HEADER, [table(b"ab", b"cd"), table(b"e")])
    assert raw == b"PPRLXWK1" + len(head).to_bytes(4, "big") + head + b"abcde"


def test_tables_come_back_as_the_header_counts_them() -> None:
    header, body = read(framing.write(MAGIC, HEADER, [table(b"ab", b"cd"), table(b"e")]))
    tables = framing.read_tables(body, [(2, 2), (0, 7), (1, 1)])
    assert header == HEADER
    assert [each.tolist() for each in tables] == [[[97, 98], [99, 100]], [], [[101]]]
    assert tables[1].shape == (0, 7)


def test_what_is_read_is_read_only_whatever_it_is_read_from() -> None:
    raw = bytearray(framing.write(MAGIC, HEADER, [table(b"ab")]))
    (found,) = framing.read_tables(framing.read_header(memoryview(raw), MAGIC, DocumentHeader)[1], [(1, 2)])
    with pytest.raises(ValueError, match="read-only"):
        found[0, 0] = 1


@pytest.mark.parametrize("shapes", [[(2**31, 65_536)] * 64, [(2**62, 2**62)], [(0, 16)], [(4, 1)], [(1, 2)]])
def test_a_body_of_another_length_is_refused_before_it_is_read(shapes: Sequence[tuple[int, int]]) -> None:
    with pytest.raises(FormatError, match="of records for"):
        framing.read_tables(memoryview(b"abc"), shapes)


def test_padding_is_zero_bytes_after_the_tables() -> None:
    bare, padded = (framing.write(MAGIC, HEADER, [table(b"ab", b"cd")], padding=count) for count in (0, 5))
    assert padded == bare + bytes(5)
    assert framing.unpadded_bytes(HEADER, [(2, 2)]) == len(bare)
    (found,) = framing.read_tables(read(padded)[1], [(2, 2)], padding=5)
    assert found.tolist() == [[97, 98], [99, 100]]


@pytest.mark.parametrize(
    ("after", "word"),
    [
        (b"", "truncated"),
        (bytes(4), "truncated"),
        (bytes(6), "longer"),
        (b"\1" + bytes(4), "padding"),
        (bytes(4) + b"\1", "padding"),
    ],
)
def test_other_padding_is_refused(after: bytes, word: str) -> None:
    with pytest.raises(FormatError, match=word):
        framing.read_tables(memoryview(b"abcd" + after), [(2, 2)], padding=5)


def _padme_of_the_paper(length: int) -> int:
    """Algorithm 1 as it is printed."""
    exponent = math.floor(math.log2(length))
    bits = math.floor(math.log2(exponent)) + 1
    mask = (1 << (exponent - bits)) - 1
    return (length + mask) & ~mask


def test_padme_is_that_of_the_paper_and_adds_less_than_12_percent() -> None:
    lengths = [*range(2, 70_000), *(2**power + step for power in range(20, 45) for step in (0, 1, 12_345))]
    padded = [framing.padme(length) for length in lengths]
    assert padded == [_padme_of_the_paper(length) for length in lengths]
    assert all(length <= longer < 1.12 * length for length, longer in zip(lengths, padded, strict=True))
    assert [framing.padme(longer) for longer in padded] == padded
    # Up to 1 MB there are 400 lengths or so; of a million, each would be one of its own.
    assert len({framing.padme(length) for length in range(2, 1 << 20)}) < 500


def test_a_refusal_does_not_repeat_a_key_that_the_sender_made_up() -> None:
    head = canonical.dumps({"agreement_sha256": DIGEST, "Nora Nowak 1969-04-01": 1})
    with pytest.raises(FormatError, match="unknown key") as refusal:
        read(MAGIC + len(head).to_bytes(4, "big") + head)
    assert "Nora" not in str(refusal.value)


def test_a_refusal_of_very_much_stays_short() -> None:
    class Many(DocumentHeader):
        numbers: tuple[int, ...]

    head = canonical.dumps({"agreement_sha256": DIGEST, "numbers": ["x"] * 10_000})
    with pytest.raises(FormatError, match="and more") as refusal:
        framing.read_header(MAGIC + len(head).to_bytes(4, "big") + head, MAGIC, Many)
    assert len(refusal.value.message) < 500


def test_a_key_with_a_default_must_be_there() -> None:
    class WithDefault(DocumentHeader):
        format: str = "x"

    raw = framing.write(MAGIC, HEADER, [])
    with pytest.raises(FormatError, match="wrong at: format"):
        framing.read_header(raw, MAGIC, WithDefault)


def test_header_of_the_greatest_length_is_read_and_no_longer_one() -> None:
    class Long(DocumentHeader):
        padding: str

    def raw(length: int) -> bytes:
        empty = canonical.dumps({"agreement_sha256": DIGEST, "padding": ""})
        head = empty[:-2] + b"x" * (length - len(empty)) + empty[-2:]
        return MAGIC + len(head).to_bytes(4, "big") + head

    framing.read_header(raw(framing.MAX_HEADER_BYTES), MAGIC, Long)
    with pytest.raises(FormatError, match="truncated in its header"):
        framing.read_header(raw(framing.MAX_HEADER_BYTES + 1), MAGIC, Long)


@pytest.mark.parametrize("good", [NONE, ids(7), ids(1, 2), ids(2**64 - 1, 2**64), SAME_FIRST_HALF])
def test_ascending_ids_are_accepted(good: Bytes) -> None:
    framing.require_ascending(good, what="reference")
    framing.require_distinct(good[::-1], what="reference")


@pytest.mark.parametrize(
    ("bad", "word"),
    [
        (ids(1, 1), "reference is repeated"),
        (ids(1, 2, 2), "repeated"),
        (ids(2, 1), "reference is out of order"),
        (ids(2**64, 2**64 - 1), "out of order"),
        (ids(2**127, 1), "out of order"),
        (ids(1, 3, 2, 4), "out of order"),
    ],
)
def test_other_ids_are_refused(bad: Bytes, word: str) -> None:
    with pytest.raises(FormatError, match=word):
        framing.require_ascending(bad, what="reference")


def test_a_repeated_id_is_found_wherever_it_stands() -> None:
    with pytest.raises(FormatError, match="handle is repeated"):
        framing.require_distinct(ids(5, 2**100, 3, 5), what="handle")


def test_only_the_key_of_a_record_counts_for_its_order() -> None:
    records = np.hstack([ids(1, 2), ids(9, 3)])
    framing.require_ascending(records, what="reference")
    framing.require_ascending(np.hstack([ids(1, 1), ids(3, 9)]), key_bytes=32, what="pair")


@pytest.mark.parametrize(
    "among", [ids(10, 20, 2**64, 2**127), SAME_FIRST_HALF], ids=["other halves", "same half"]
)
def test_positions_of_what_is_there_and_of_what_is_not(among: Bytes) -> None:
    absent = ids(0, 5, 2**128 - 1)
    wanted = np.vstack([among[::-1], absent])
    here = list(reversed(range(len(among))))
    assert framing.positions(wanted, among).tolist() == [*here, -1, -1, -1]


def test_positions_among_none_and_of_none() -> None:
    assert framing.positions(ids(1, 2), NONE).tolist() == [-1, -1]
    assert framing.positions(NONE, ids(1, 2)).tolist() == []
    assert framing.positions(NONE, NONE).tolist() == []


def test_columns_of_a_wider_table_will_do() -> None:
    wide = np.hstack([ids(3, 5, 9), np.full((3, 5), 255, dtype=np.uint8)])
    wide.flags.writeable = False
    narrow, backwards = wide[:, :16], wide[::-1, :16]
    assert framing.positions(backwards, narrow).tolist() == [2, 1, 0]
    assert framing.ascending(backwards).tolist() == [2, 1, 0]
    framing.require_ascending(narrow, what="reference")


def test_ids_that_end_in_zero_bytes_are_told_apart() -> None:
    among = table(b"a" * 8 + bytes(8), b"a" * 9 + bytes(7), b"a" * 10 + bytes(6))
    assert framing.positions(among, among).tolist() == [0, 1, 2]
    assert framing.positions(table(b"a" * 11 + bytes(5)), among).tolist() == [-1]
