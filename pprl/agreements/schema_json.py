"""The agreement's shape as JSON Schema, so that editors complete and check keys while somebody writes one.

The schema knows types, names and ranges. What sections say about each other (roles, names that must resolve)
and what the day decides is judged by `pprl agreement check` alone.
"""

from __future__ import annotations

import json
from typing import Any

from pprl.protocol.agreement import Agreement

DIALECT = "https://json-schema.org/draft/2020-12/schema"


def agreement_schema() -> dict[str, Any]:
    """The JSON Schema (2020-12) of an agreement, generated from its model. Maintainers and editors run it.

    Returns:
        A schema in which TOML's dates are strings of format `date`, as editors treat them.
    """
    schema = Agreement.model_json_schema()
    return {
        "$schema": DIALECT,
        "title": "Agreement to link records",
        **{key: value for key, value in schema.items() if key != "title"},
    }


def agreement_schema_text() -> str:
    """The schema as the file `configs/agreement.schema.json` holds it."""
    return json.dumps(agreement_schema(), indent=2, ensure_ascii=False) + "\n"
