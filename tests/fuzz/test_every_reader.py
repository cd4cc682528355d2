"""Every reader is registered, and keeps its promise on its seeds and on a few hundred changes of them."""

from __future__ import annotations

import base64
import importlib
import inspect
import json
import pkgutil
import random
import re
from collections.abc import Callable, Iterator

import pytest

import coordinator
import pprl
import pprl.crypto
import pprl.protocol
from pprl.errors import ConfigError, FormatError
from pprl.protocol import canonical
from tests.fuzz import structure, targets
from tests.fuzz.targets import TARGETS, BrokenPromiseError, Reading, Target, check

READS = re.compile(r"parse|open|load|read_|from_|peek|containers$")
# Readers of a part of a document, which the document's own reader calls with what else it takes.
WITHIN_OTHERS = {
    "pprl.protocol.dsse.parse_envelope": "container-header, agreement-signature",
    "pprl.protocol.dsse.parse_statement": "container-statement, agreement-signature",
    "pprl.protocol.members.from_base64": "container-header, agreement-signature",
    "pprl.protocol.framing.read_header": "every document of docs/protocol.md",
    "pprl.protocol.framing.read_header_from": "encodings-clk, encodings-field-filters, encodings-match-keys",
    "pprl.protocol.framing.read_tables": "every document of docs/protocol.md",
    "pprl.protocol.pattern_counts.parse_table": "references-field-filters",
    "pprl.protocol.pattern_counts.parse_patterns": "patterns, references-field-filters",
    "pprl.protocol.checkpoint.from_base64": "note, receipt, witness-request",
    "pprl.protocol.row_proofs.from_ascii": "row-proof",
    "pprl.crypto.container.open_stream": "container, container-signed-again",
    "pprl.crypto.exchange.open_stream_from": "container, container-signed-again",
    "pprl.crypto.exchange.open_from": "container, container-signed-again",
}
# The same in other packages: what opens a container first, and gives what is in it to its reader.
WITHIN_OTHERS_ELSEWHERE = {
    "pprl.department.read_row_salts": "container, row-salts",
    "pprl.department.open_linkage_keys": "receipt-verified, container, linkage-keys",
    "pprl.department.open_crosswalk": "receipt-verified, container, crosswalk",
}
NEED_MORE = {"coordinator.linkage.spark"}  # an extra that is not everywhere; reads no document
CHANGES = 40
every_target = pytest.mark.parametrize("name", TARGETS)


def public_readers() -> Iterator[str]:
    for package in (pprl.protocol, pprl.crypto):
        for found in pkgutil.iter_modules(package.__path__, f"{package.__name__}."):
            module = importlib.import_module(found.name)
            for name, function in inspect.getmembers(module, inspect.isfunction):
                if function.__module__ == found.name and READS.match(name):
                    yield f"{found.name}.{name}"


def readers_elsewhere() -> Iterator[str]:
    """Of the other packages, what reads a document's bytes: its first argument tells."""
    for package in (pprl, coordinator):
        for found in pkgutil.walk_packages(package.__path__, f"{package.__name__}."):
            if found.name.startswith(("pprl.protocol", "pprl.crypto")) or found.name.endswith("__main__"):
                continue
            if found.name in NEED_MORE:
                continue
            module = importlib.import_module(found.name)
            for name, function in inspect.getmembers(module, inspect.isfunction):
                first = next(iter(inspect.signature(function).parameters.values()), None)
                takes_bytes = first is not None and first.annotation in {"bytes", "BinaryIO"}
                if function.__module__ == found.name and READS.match(name) and takes_bytes:
                    yield f"{found.name}.{name}"


def test_no_reader_of_bytes_is_missing_elsewhere() -> None:
    fuzzed = {f"{reader.__module__}.{reader.__name__}" for of in TARGETS.values() for reader in of.readers}
    found = set(readers_elsewhere())
    assert {"pprl.files.seen.parse", "pprl.encode.linkage_secret.from_file"} <= found
    assert not found - fuzzed - set(WITHIN_OTHERS_ELSEWHERE)
    assert set(WITHIN_OTHERS_ELSEWHERE) <= found


def test_no_reader_of_bytes_is_missing() -> None:
    fuzzed = {f"{reader.__module__}.{reader.__name__}" for of in TARGETS.values() for reader in of.readers}
    missing = set(public_readers()) - fuzzed - set(WITHIN_OTHERS)
    assert not missing, (
        "Give them a target in tests/fuzz/targets.py, or say here within which one they are read."
    )
    assert set(WITHIN_OTHERS) <= set(public_readers())


@every_target
def test_a_reader_declares_what_it_refuses_with(name: str) -> None:
    assert TARGETS[name].refusals


@every_target
def test_seeds_are_read_as_promised_and_one_is_accepted(name: str) -> None:
    of = TARGETS[name]
    accepted = [check(of, seed) for seed in of.reading().seeds]
    assert any(accepted)


@every_target
def test_changed_seeds_are_read_as_promised(name: str) -> None:
    of, draw = TARGETS[name], random.Random(name)
    for _ in range(CHANGES):
        raw = draw.choice(of.reading().seeds)
        for _ in range(draw.randint(1, 3)):
            raw = structure.changed(raw, draw, structure.plain(draw))
        check(of, raw)


def made_up(read: Callable[[bytes], object], **reading: object) -> Target:
    return Target("made-up", (), (FormatError,), lambda: Reading(read, (b"",), **reading))  # type: ignore[arg-type]


def test_an_undeclared_error_is_a_fault() -> None:
    def read(_: bytes) -> None:
        raise ConfigError("declared by nobody")

    with pytest.raises(ConfigError):
        check(made_up(read), b"")


def test_a_second_spelling_is_a_fault() -> None:
    assert check(made_up(bytes.upper, write=lambda text: text), b"A")
    with pytest.raises(BrokenPromiseError):
        check(made_up(bytes.upper, write=lambda text: text), b"a")


def test_refusals_are_those_that_the_docstring_declares() -> None:
    assert targets.declared_by(canonical.loads) == [FormatError]
    assert targets.declared_by(len) == []


DOCUMENT = {"a": [1, 2, {"b": "text"}], "inner": base64.b64encode(b'{"deep":{"x":[1,2,3]}}').decode()}


def outcomes(raw: bytes) -> list[bytes]:
    draw = random.Random(1)
    return [structure.changed(raw, draw, structure.plain(draw)) for _ in range(300)]


def readable(raw: bytes) -> bool:
    try:
        canonical.loads(raw)
    except FormatError:
        return False
    return True


def test_changed_json_is_mostly_canonical_still() -> None:
    raw = canonical.dumps(DOCUMENT)
    made = outcomes(raw)
    assert sum(map(readable, made)) > 200
    assert len(set(made)) > 100


def test_json_inside_base64_is_changed_and_stays_json() -> None:
    made = [json.loads(raw) for raw in outcomes(canonical.dumps(DOCUMENT)) if readable(raw)]
    texts = {tree["inner"] for tree in made if isinstance(tree, dict) and isinstance(tree.get("inner"), str)}
    decoded = {base64.b64decode(text) for text in texts if len(text) % 4 == 0 and text != DOCUMENT["inner"]}
    assert sum(map(readable, decoded)) >= 5


def test_a_header_that_changed_its_length_is_framed_anew() -> None:
    head = canonical.dumps(DOCUMENT)
    made = outcomes(b"PPRLTST1" + len(head).to_bytes(4, "big") + head + bytes(64))
    ends = [(raw, 12 + int.from_bytes(raw[8:12], "big")) for raw in made if raw.startswith(b"PPRLTST1")]
    assert sum(end != 12 + len(head) and readable(raw[12:end]) for raw, end in ends) > 50


def test_the_same_seed_makes_the_same_changes() -> None:
    assert outcomes(b"a = 1\nb = 2\n") == outcomes(b"a = 1\nb = 2\n")
