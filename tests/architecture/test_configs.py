import json
import re
import tomllib
import typing
from datetime import date
from pathlib import Path

import jsonschema
import pytest
from pydantic import BaseModel

from pprl.agreements.check import check
from pprl.agreements.draft import (
    feature_lines,
    pass_lines,
)
from pprl.agreements.schema_json import agreement_schema, agreement_schema_text
from pprl.protocol.agreement import Agreement, parse, readiness

CONFIGS = Path(__file__).parents[2] / "configs"
EXAMPLES = sorted((CONFIGS / "agreements").glob("*.toml"))
TODAY = date(2026, 11, 22)


def json_like(tree):
    if isinstance(tree, dict):
        return {key: json_like(value) for key, value in tree.items()}
    if isinstance(tree, list):
        return [json_like(value) for value in tree]
    return tree.isoformat() if isinstance(tree, date) else tree


def leaves(model: type[BaseModel], path: str = "") -> list[str]:
    """The dotted names of all fields of a model that hold no further fields."""
    found = []
    for name, field in model.model_fields.items():
        inner = [
            kind for kind in walk(field.annotation) if isinstance(kind, type) and issubclass(kind, BaseModel)
        ]
        found += leaves(inner[0], f"{path}{name}.") if inner else [f"{path}{name}"]
    return found


def walk(annotation):
    yield annotation
    for inner in typing.get_args(annotation):
        yield from walk(inner)


def test_there_are_examples():
    assert {example.stem for example in EXAMPLES} >= {"offence-court-prison", "two-parties"}


@pytest.mark.parametrize("example", EXAMPLES, ids=lambda example: example.stem)
def test_an_example_lacks_keys_and_approvals_and_nothing_else(example):
    agreement = parse(example.read_bytes(), where=example.name).content
    missing = {finding.column for finding in readiness(agreement, today=TODAY)}
    assert missing
    assert all(re.fullmatch(r"approval|party\[\d+\]\.keys", column) for column in missing)
    assert not [
        remark for remark in check(example.read_bytes(), where="x", today=TODAY) if remark.level == "problem"
    ]


@pytest.mark.parametrize("example", EXAMPLES, ids=lambda example: example.stem)
def test_an_example_encodes_as_drafts_do(example):
    agreement = parse(example.read_bytes(), where=example.name).content
    identifiers = [(each.name, each.kind) for each in agreement.identifier]
    rows = max(each.expected_rows_max for each in agreement.dataset)
    lines = feature_lines(identifiers) if agreement.encoding.clk else pass_lines(identifiers, rows)
    assert "\n".join(lines) in example.read_text()


def test_the_large_example_names_the_columns_of_the_demo_data():
    agreement = parse((CONFIGS / "agreements" / "offence-court-prison.toml").read_bytes(), where="x").content
    assert {each.name: (each.record_id_column, each.may_have_duplicates) for each in agreement.dataset} == {
        "offences": ("OFFENCE_REF", True),
        "court": ("hearing_id", True),
        "prison": ("prisoner_number", False),
    }
    assert set(agreement.dataset_named("court").columns.values()) == {
        *("defendant_first_name", "defendant_last_name", "date_of_birth", "gender", "postcode")
    }


def test_the_schema_file_is_the_models():
    assert (CONFIGS / "agreement.schema.json").read_text() == agreement_schema_text()
    jsonschema.Draft202012Validator.check_schema(agreement_schema())


@pytest.mark.parametrize("example", EXAMPLES, ids=lambda example: example.stem)
def test_the_schema_accepts_an_example_and_refuses_a_misspelt_one(example):
    validator = jsonschema.Draft202012Validator(
        json.loads((CONFIGS / "agreement.schema.json").read_text()), format_checker=jsonschema.FormatChecker()
    )
    tree = json_like(tomllib.loads(example.read_text()))
    validator.validate(tree)
    for spoilt in (
        {**tree, "projects": {}},
        {**tree, "project": {**tree["project"], "valid_from": "soon"}},
        {**tree, "encoding": {**tree["encoding"], "scheme": "none"}},
        {**tree, "release": {**tree["release"], "min_linked_people": 0}},
    ):
        with pytest.raises(jsonschema.ValidationError):
            validator.validate(spoilt)


@pytest.mark.parametrize("example", EXAMPLES, ids=lambda example: example.stem)
def test_an_example_points_editors_to_the_schema(example):
    first = example.read_text().splitlines()[0]
    assert (example.parent / first.removeprefix("#:schema ")).resolve() == (
        CONFIGS / "agreement.schema.json"
    ).resolve()


def test_the_guide_tells_each_field_and_no_other():
    rows = re.findall(r"^\| `([a-z0-9_.]+)` \|", (CONFIGS / "AUDITORS-GUIDE.md").read_text(), re.MULTILINE)
    assert rows == leaves(Agreement)


def test_the_guides_links_lead_somewhere():
    for link in re.findall(r"\]\(([^)]+)\)", (CONFIGS / "AUDITORS-GUIDE.md").read_text()):
        assert (CONFIGS / link).is_file()
