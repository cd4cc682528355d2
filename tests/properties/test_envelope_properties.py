"""Whatever the bytes, parsers and the receiver refuse them with FormatError or VerificationError, or accept."""

from __future__ import annotations

import contextlib
import io
import random
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from pprl.crypto import container
from pprl.crypto.identity import create
from pprl.crypto.key_file import parse_key_file
from pprl.errors import FormatError, KeyFileError, VerificationError
from pprl.protocol import canonical, dsse, envelope
from pprl.protocol.agreement import Agreement, AgreementFile, Dataset, Party, Project
from pprl.protocol.dsse import Envelope
from pprl.protocol.envelope import Binding, Statement
from tests.support.keys import key_file_of

# Machines that run tests are often busy: an example may take as long as it takes.
UNHURRIED = settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])

REFUSALS = (FormatError, VerificationError)
CONTENT = b"reference" * 5
NORTH, OFFICE = create("north"), create("office")


def _only(section: Any, **fields: object) -> Any:
    return section.model_construct(**fields)


AGREEMENT = AgreementFile(
    _only(
        Agreement,
        project=_only(Project, version=1),
        party=(_only(Party, id="north", keys=NORTH.public), _only(Party, id="office", keys=OFFICE.public)),
        dataset=(_only(Dataset, name="register", party="north"),),
    ),
    b"agreement",
)
BINDING = Binding(
    AGREEMENT.sha256, 1, "north", "office", "encodings", "register", "", 1, None, len(CONTENT), 5
)


def _sealed(binding: Binding, content: bytes) -> bytes:
    out = io.BytesIO()
    container.seal(io.BytesIO(content), out, binding=binding, sender=NORTH, sealed_to=OFFICE.public.x_wing)
    return out.getvalue()


def _opened(raw: bytes) -> bytes:
    out = io.BytesIO()
    container.open_container(
        io.BytesIO(raw), out, me=OFFICE, opens_with=OFFICE.x_wing, agreement=AGREEMENT, kind="encodings"
    )
    return out.getvalue()


SEALED = _sealed(BINDING, CONTENT)
BODY = len(SEALED) - BINDING.ciphertext_bytes
PAYLOAD = envelope.parse_envelope(SEALED[envelope.PREFIX_BYTES : BODY]).payload

# Values that canonical JSON can spell, with the format's own words among them so that shapes nearly fit.
WORDS = sorted(
    {"_type", "subject", "predicate", "predicateType", "digest", "sha256", "name", "payload", "payloadType"}
    | {"signatures", "keyid", "sig", "binding", "suite", "wrapped_key", envelope.SUITE, dsse.PAYLOAD_TYPE}
    | {
        dsse.STATEMENT_TYPE,
        dsse.predicate_type("container"),
        "ed25519",
        "ml-dsa-65",
        "ciphertext",
        "AAAA",
        "A" * 88,
    }
)
TEXTS = st.sampled_from(WORDS) | st.text(st.characters(min_codepoint=32, max_codepoint=126), max_size=20)
NUMBERS = st.integers(-canonical.LARGEST_INTEGER, canonical.LARGEST_INTEGER)
TREES = st.recursive(
    st.none() | st.booleans() | NUMBERS | TEXTS,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(TEXTS, inner, max_size=6),
    max_leaves=20,
)


@given(st.binary(max_size=300) | st.text(max_size=100).map(str.encode))
@UNHURRIED
def test_parsers_raise_nothing_else_on_arbitrary_bytes(raw: bytes) -> None:
    for parse in (canonical.loads, envelope.parse_prefix, envelope.parse_envelope, envelope.parse_statement):
        with contextlib.suppress(FormatError, VerificationError):
            parse(raw)


@given(st.binary(max_size=300), st.booleans())
@UNHURRIED
def test_the_receiver_raises_nothing_else_on_arbitrary_bytes(raw: bytes, with_magic: bool) -> None:
    raw = envelope.MAGIC + len(raw).to_bytes(4, "big") + raw if with_magic else raw
    with pytest.raises(REFUSALS):
        _opened(raw)
    with pytest.raises(REFUSALS):
        container.peek(io.BytesIO(raw))


@given(TREES)
@UNHURRIED
def test_canonical_json_has_one_spelling(tree: Any) -> None:
    raw = canonical.dumps(tree)
    assert canonical.loads(raw) == tree
    assert canonical.dumps(canonical.loads(raw)) == raw


@given(TREES, st.sampled_from([b" ", b"\n", b"0", b"]", b"}", b","]), st.data())
@UNHURRIED
def test_no_insertion_gives_a_second_spelling(tree: Any, extra: bytes, data: st.DataObject) -> None:
    raw = canonical.dumps(tree)
    at = data.draw(st.integers(0, len(raw)))
    try:
        other = canonical.loads(raw[:at] + extra + raw[at:])
    except FormatError:
        return
    assert canonical.dumps(other) != raw


def _grafted(tree: Any, path: list[int], graft: Any) -> Any:
    """The tree with one of its nodes, found by following `path` as far as it goes, put in place of another."""
    if not path or not isinstance(tree, (dict, list)) or not tree:
        return graft
    keys = sorted(tree) if isinstance(tree, dict) else list(range(len(tree)))
    key = keys[path[0] % len(keys)]
    grown = dict(tree) if isinstance(tree, dict) else list(tree)
    grown[key] = _grafted(tree[key], path[1:], graft)
    return grown


@given(st.lists(st.integers(0, 9), max_size=5), TREES)
@UNHURRIED
def test_a_statement_or_header_with_any_node_replaced_is_refused_or_read(path: list[int], graft: Any) -> None:
    for raw, parse in (
        (PAYLOAD, envelope.parse_statement),
        (SEALED[envelope.PREFIX_BYTES : BODY], envelope.parse_envelope),
    ):
        with contextlib.suppress(FormatError):
            parse(canonical.dumps(_grafted(canonical.loads(raw), path, graft)))


NORTHS_KEY_FILE = key_file_of(NORTH)


@given(st.lists(st.integers(0, 9), max_size=3), TREES)
@UNHURRIED
def test_a_key_file_with_any_node_replaced_is_refused_or_read(path: list[int], graft: Any) -> None:
    tree = canonical.loads(NORTHS_KEY_FILE[:-1])
    with contextlib.suppress(KeyFileError):
        parse_key_file(canonical.dumps(_grafted(tree, path, graft)) + b"\n", where="north.key")


@given(st.binary(max_size=200))
@UNHURRIED
def test_key_files_of_arbitrary_bytes_are_refused(raw: bytes) -> None:
    with pytest.raises(KeyFileError):
        parse_key_file(raw, where="north.key")


NAMES = st.from_regex(r"[A-Za-z][A-Za-z0-9_-]{0,39}", fullmatch=True)
DIGESTS = st.from_regex(r"[0-9a-f]{64}", fullmatch=True)
COUNTS = st.integers(0, canonical.LARGEST_INTEGER)


@st.composite
def bindings(draw: st.DrawFn) -> Binding:
    sequence = draw(st.integers(1, 5))
    return Binding(
        agreement_sha256=draw(DIGESTS),
        agreement_version=draw(st.integers(1, 9)),
        sender=draw(NAMES),
        recipient=draw(NAMES),
        kind=draw(st.from_regex(r"[a-z][a-z0-9-]{0,39}", fullmatch=True)),
        dataset=draw(st.just("") | NAMES),
        submission=draw(st.just("") | st.from_regex(r"[0-9a-f]{32}", fullmatch=True)),
        sequence=sequence,
        previous_sha256=None if sequence == 1 else draw(DIGESTS),
        plaintext_bytes=draw(COUNTS),
        records=draw(COUNTS),
    )


@given(bindings(), DIGESTS, st.binary(min_size=1168, max_size=1168))
@UNHURRIED
def test_whatever_is_written_reads_back(binding: Binding, digest: str, wrapped_key: bytes) -> None:
    statement = Statement(binding, digest, wrapped_key)
    payload = envelope.write_statement(statement)
    assert envelope.parse_statement(payload) == statement
    signed = Envelope(payload, bytes(64), bytes(3309))
    raw = envelope.write_header(signed)
    assert envelope.parse_prefix(raw[:12]) == len(raw) - 12
    assert envelope.parse_envelope(raw[12:]) == signed


@given(st.binary(max_size=40_000))
@settings(max_examples=30, deadline=None)
def test_sealed_content_opens(content: bytes) -> None:
    binding = Binding(
        AGREEMENT.sha256, 1, "north", "office", "encodings", "register", "", 1, None, len(content), 0
    )
    assert _opened(_sealed(binding, content)) == content


def test_no_byte_of_a_container_can_be_changed() -> None:
    assert _opened(SEALED) == CONTENT
    generator = random.Random(20261122)
    for at in range(len(SEALED)):
        changed = bytearray(SEALED)
        changed[at] ^= 1 << generator.randrange(8)
        with pytest.raises(REFUSALS):
            _opened(bytes(changed))


@given(st.integers(0, len(SEALED) - 1), st.integers(0, 40), st.binary(max_size=40))
@UNHURRIED
def test_no_stretch_of_a_container_can_be_replaced(at: int, length: int, other: bytes) -> None:
    changed = SEALED[:at] + other + SEALED[at + length :]
    if changed == SEALED:
        return
    with pytest.raises(REFUSALS):
        _opened(changed)
