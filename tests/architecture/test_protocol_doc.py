"""docs/protocol.md says what the code does, where a test can tell."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any, get_args
from unittest import mock

import pytest
from pydantic import BaseModel

from coordinator.cli import main as coordinator
from coordinator.store.stages import TRANSITIONS, Role, Stage
from pprl.cli import main as pprl
from pprl.crypto import derive
from pprl.encode import ceremony, clk, linkage_secret
from pprl.protocol import (
    crosswalk,
    framing,
    levels,
    linkage_keys,
    pairs,
    pattern_counts,
    patterns,
    submission,
)
from pprl.protocol.agreement import AgreementFile, Scheme, parse
from pprl.protocol.transcript import SHARE_KIND, Transcript

ROOT = Path(__file__).parents[2]
DOCUMENT = (ROOT / "docs" / "protocol.md").read_text(encoding="utf-8")
# The same, wherever its lines are broken.
PROSE = " ".join(DOCUMENT.split())
THREATS = (ROOT / "docs" / "threat-model.md").read_text(encoding="utf-8")


def diagram(role: Role) -> str:
    """A role's moves as a Mermaid state diagram."""
    moves = [(here, step, there) for (whose, here, step), there in TRANSITIONS.items() if whose is role]
    ends = dict.fromkeys(there for _, _, there in moves if not any(there is here for here, _, _ in moves))
    lines = [
        f"[*] --> {Stage.COLLECTING}",
        *(f"{here} --> {there}: {step}" for here, step, there in moves),
        *(f"{stage} --> [*]" for stage in ends),
    ]
    drawn = "\n".join(["stateDiagram-v2", *(f"    {line}" for line in lines)])
    return f"{role}:\n\n```mermaid\n{drawn}\n```\n"


def section(title: str) -> str:
    found = re.search(rf"^#+ {re.escape(title)}\n(.*?)(?=^#|\Z)", DOCUMENT, re.MULTILINE | re.DOTALL)
    assert found, title
    return found[1]


def cells(title: str) -> list[list[str]]:
    """The rows of a section's tables."""
    return [row.split(" | ") for row in re.findall(r"^\| (.*) \|$", section(title), re.MULTILINE)]


def test_the_diagrams_are_drawn_from_the_table_of_transitions() -> None:
    shown = DOCUMENT.split("<!-- stages: begin -->\n")[1].split("<!-- stages: end -->")[0]
    assert shown == "\n".join(diagram(role) for role in Role)


def test_every_kind_of_container_is_in_the_table() -> None:
    kinds = {
        SHARE_KIND,
        submission.ENCODINGS_KIND,
        submission.REFERENCES_KIND,
        pairs.KIND,
        linkage_keys.KIND,
        crosswalk.KIND,
    }
    told = {row[0].strip("`") for row in cells("Who sends what to whom") if row[0].startswith("`")}
    assert told == kinds


ID = framing.ID_BYTES
LAYOUTS = {
    "encodings": (submission.ENCODINGS_MAGIC, [ID]),
    "references": (
        submission.REFERENCES_MAGIC,
        [
            *(ID, ID, submission.POSITION_BYTES),
            *(submission.POSITION_BYTES, submission.POSITION_BYTES),
            *(pattern_counts.PATTERN_BYTES, pattern_counts.COUNT_BYTES),
            *(submission.POSITION_BYTES, ID),
        ],
    ),
    "pairs": (pairs.PAIRS_MAGIC, [ID, ID, pairs.LEVEL_BYTES]),
    "patterns": (patterns.PATTERNS_MAGIC, [ID, ID, pattern_counts.PATTERN_BYTES]),
    "linkage-keys": (linkage_keys.LINKAGE_KEYS_MAGIC, [ID, ID]),
    "crosswalk": (crosswalk.CROSSWALK_MAGIC, [ID, ID, crosswalk.DATASET_BYTES]),
}


@pytest.mark.parametrize("kind", LAYOUTS)
def test_magic_numbers_and_widths_of_records(kind: str) -> None:
    magic, widths = LAYOUTS[kind]
    (row,) = [row for row in cells("Framing") if row[0] == f"`{kind}`"]
    assert row[1] == f"`{magic.decode()}`"
    numbers = [int(each) for each in re.findall(r"(?<!/ )\b\d+\b", row[3])]
    assert numbers == widths


def agreement_of(scheme: Scheme) -> AgreementFile:
    vectors = json.loads((ROOT / "tests" / "conformance" / "submission" / "vectors.json").read_bytes())
    text = vectors["agreements"]["usual" if scheme == "clk" else scheme]
    return parse(text.encode(), where=scheme)


def test_the_record_of_clks_has_the_width_that_the_code_asks_for() -> None:
    agreement = agreement_of("clk")
    bits = agreement.content.encoding.clk_parameters.clk_bits
    assert submission.passes(agreement) == ((submission.CLK_PASS, ID + bits // 8),)
    assert f"its `name` is `{submission.CLK_PASS}` and its `record_bytes` {ID} + clk_bits / 8" in PROSE


def test_the_record_of_field_filters_has_the_layout_that_the_code_asks_for() -> None:
    agreement = agreement_of("field-filters")
    parameters = agreement.content.encoding.field_filter_parameters
    tag, present = ID, ID + submission.TAG_BYTES
    filters = present + submission.PRESENT_BYTES
    width = filters + submission.filters_of(agreement) * parameters.filter_bits // 8
    assert submission.passes(agreement) == tuple((each.name, width) for each in parameters.passes)
    assert f"its `record_bytes` are {filters} + *f* * filter_bits / 8" in PROSE
    offsets = [row[:2] for row in cells("`encodings`") if row[0].isdigit()]
    assert offsets == [
        ["0", str(ID)],
        [str(tag), str(submission.TAG_BYTES)],
        [str(present), str(submission.PRESENT_BYTES)],
        [str(filters), "*f* * filter_bits / 8"],
    ]


def test_every_level_of_a_pattern_is_told() -> None:
    told = [int(cell) for row in cells("`patterns`") for cell in row[::2] if cell.isdigit()]
    assert sorted(told) == list(range(levels.LEVELS))
    assert levels.LEVELS == pattern_counts.LEVEL_COUNT
    assert f"{pattern_counts.LEVEL_COUNT} counts" in section("`encodings`")


HEADERS: dict[str, type[framing.DocumentHeader]] = {
    "`encodings`": submission.FieldFilterHeader,
    "`references`": submission.RefreshFieldFilterReferencesHeader,
    "`pairs`": pairs.PairsHeader,
    "`patterns`": patterns.PatternsHeader,
    "`linkage-keys`": linkage_keys.LinkageKeysHeader,
    "`crosswalk`": crosswalk.CrosswalkHeader,
}


@pytest.mark.parametrize("title", HEADERS)
def test_every_member_of_a_header_is_told(title: str) -> None:
    header = HEADERS[title]
    shared: type[framing.DocumentHeader] = framing.DocumentHeader
    if issubclass(header, framing.DatasetHeader):
        shared = framing.DatasetHeader
    own = header.model_fields.keys() - shared.model_fields.keys()
    assert [name for name in own if f"`{name}`" not in section(title)] == []
    assert f"`{header.model_fields['format'].default}`" in section(title)


def test_every_shared_member_of_a_header_is_told() -> None:
    told = section("Framing")
    assert [name for name in framing.DatasetHeader.model_fields if f"`{name}`" not in told] == []


@pytest.mark.parametrize(
    "model",
    [
        submission.EncodedPass,
        submission.CountedPass,
        pairs.MatchedDataset,
        pairs.PairTable,
        patterns.MatchedDataset,
        patterns.PatternTable,
    ],
)
def test_every_member_of_what_headers_list_is_told(model: type[BaseModel]) -> None:
    assert [name for name in model.model_fields if f"`{name}`" not in DOCUMENT] == []


def test_limits_and_names_stand_in_the_document() -> None:
    words = [
        f"{framing.MAX_HEADER_BYTES:,}",
        f"{pairs.LEVELS_IN_ONE:,}",
        submission.SUBMISSION_MAGIC.decode(),
        clk.KDF_INFO.decode(),
        clk.KDF_SALT.decode(),
        f"two keys of {clk.KDF_KEY_BYTES} bytes",
    ]
    assert [word for word in words if word not in DOCUMENT] == []


def test_labels_and_lengths_of_what_is_derived() -> None:
    commitment = ceremony.commitment(bytes(32), agreement_sha256="0" * 64, department="police")
    transcript = Transcript("0" * 64, {"police": commitment}, {})
    secret = linkage_secret.LinkageSecret("0" * 64, "7" * 64, bytes(32))
    with mock.patch.object(derive, "hkdf", wraps=derive.hkdf) as hkdf:
        ceremony.derive_secret({"police": bytes(32)}, transcript)
        secret.key_check()
        secret.confirmation("police")
        for scheme in get_args(Scheme):
            secret.encoding_key(scheme)
    derived = {call.kwargs["label"]: call.kwargs["length"] for call in hkdf.call_args_list}
    told = {
        row[0].strip("`"): int(row[1])
        for row in cells("What is derived from the linkage secret")
        if row[0].startswith("`pprl/")
    }
    assert told == derived


def test_every_command_that_is_named_is_there() -> None:
    programs = {"pprl": pprl, "coordinator": coordinator}
    named = re.findall(r"`((?:pprl|coordinator) [a-z]+(?: [a-z]+)?)`", DOCUMENT + THREATS)
    assert named
    for words in map(str.split, named):
        command: Any = programs[words[0]]
        for word in words[1:]:
            assert word in getattr(command, "commands", {}), words
            command = command.commands[word]


@pytest.mark.parametrize("document", ["protocol.md", "threat-model.md"])
def test_every_link_leads_somewhere(document: str) -> None:
    path = ROOT / "docs" / document
    links = re.findall(r"\]\(([^)#]+)\)", path.read_text(encoding="utf-8"))
    assert [link for link in links if not (path.parent / link).exists()] == []
