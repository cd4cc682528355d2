"""Filling in an agreement's text without touching its comments, order or layout.

Each function gives back a text that parses and that differs in nothing but what was asked for. The bytes are
others, so the agreement's SHA-256 is another too: all parties must be given the new file.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date
from math import ceil, floor
from typing import Any

import tomlkit
from tomlkit.exceptions import TOMLKitError
from tomlkit.items import AoT, Table

from pprl.errors import ConfigError
from pprl.protocol.agreement import Approval, PartyKeys, parse

_WHERE = "the agreement"


def with_keys(text: str, keys: Mapping[str, PartyKeys]) -> str:
    """Put parties' public keys in, in place of any that are there. Whoever keeps the agreement's text runs it.

    Args:
        text: an agreement.
        keys: public keys by party id.

    Returns:
        The text with a `[party.keys]` table below each of these parties.

    Raises:
        ConfigError: the text is not an agreement, or has no such party, or two parties would share a key.
    """
    agreement = parse(text.encode(), where=_WHERE).content
    document = _document(text)
    for party_id, public in keys.items():
        place = agreement.party.index(agreement.party_named(party_id))
        _add_below(_elements(document, "party")[place], "keys", _table(public.model_dump()))
    return _checked(document)


def with_approvals(text: str, approvals: Sequence[Approval]) -> str:
    """Add approvals at the end. Each officer approves the text as it was before.

    Args:
        text: an agreement.
        approvals: who approved for which party, and when.

    Returns:
        The text with an `[[approval]]` table more for each.

    Raises:
        ConfigError: the text is not an agreement, or an approval is for nobody in it.
    """
    parse(text.encode(), where=_WHERE)
    document = _document(text)
    tables = _elements(document, "approval") if "approval" in document else tomlkit.aot()
    for approval in approvals:
        tables.append(_table(approval.model_dump()))
    if "approval" not in document:
        document.add(tomlkit.nl())
        document.append("approval", tables)
    return _checked(document)


def with_rehearsal_approvals(text: str, *, today: date) -> str:
    """Approve for every party that has not, plainly as a rehearsal. `pprl rehearse` and `pprl demo` run it.

    An agreement out of its days stays so: a rehearsal refuses it as a run would.

    Args:
        text: an agreement.
        today: the day of the rehearsal.

    Returns:
        The text with the approvals that were missing.

    Raises:
        ConfigError: the text is not an agreement.
    """
    agreement = parse(text.encode(), where=_WHERE).content
    approved = {approval.party for approval in agreement.approval}
    missing = [
        party.id for party in agreement.party if party.id not in approved and agreement.has_work(party)
    ]
    return with_approvals(
        text,
        [
            Approval(
                party=party,
                officer=f"Rehearsal of {party}",
                post="Nobody approved: rehearsal only",
                approved_on=today,
            )
            for party in missing
        ],
    )


def with_expected_rows(text: str, rows: Mapping[str, int]) -> str:
    """Set the expected row ranges to 20 % either way of known numbers, as drafts do. `pprl demo` runs it.

    Args:
        text: an agreement.
        rows: number of records by dataset.

    Returns:
        The text with these ranges.

    Raises:
        ConfigError: the text is not an agreement or has no such dataset.
    """
    agreement = parse(text.encode(), where=_WHERE).content
    values: dict[tuple[str | int, ...], Any] = {}
    for name, count in rows.items():
        place = agreement.dataset.index(agreement.dataset_named(name))
        values["dataset", place, "expected_rows_min"] = max(1, floor(count * 0.8))
        values["dataset", place, "expected_rows_max"] = max(1, ceil(count * 1.2))
    return with_values(text, values)


def with_values(text: str, values: Mapping[tuple[str | int, ...], Any]) -> str:
    """Set any values, for generated data and rehearsals: ("project", "valid_until") or ("dataset", 0, "name").

    Args:
        text: an agreement.
        values: new values by their path; numbers are places in arrays of tables.

    Returns:
        The text with these values; the comment at the end of a line stays.

    Raises:
        ConfigError: the text is not an agreement, or would not be one, or the path leads nowhere.
    """
    document = _document(text)
    for path, value in values.items():
        table: Any = document
        try:
            for part in path[:-1]:
                table = table[part]
            table[path[-1]] = value
        except (KeyError, IndexError, TypeError, TOMLKitError):
            raise ConfigError("The agreement has no such place to fill in.") from None
    return _checked(document)


def _document(text: str) -> tomlkit.TOMLDocument:
    try:
        return tomlkit.parse(text)
    except (TOMLKitError, ValueError, RecursionError):
        raise ConfigError(f"{_WHERE} is not TOML.", hint="Run 'pprl agreement check' on it.") from None


def _elements(document: tomlkit.TOMLDocument, name: str) -> AoT:
    tables = document[name]
    if not isinstance(tables, AoT):
        raise ConfigError(
            f"{_WHERE} writes {name} as one line.",
            hint=f"Write it as [[{name}]] tables, so that it can be added to.",
        )
    return tables


def _add_below(table: Table, key: str, child: Table) -> None:
    """Add a table inside another. Comments at the other's end introduce what follows it, so they stay last."""
    if key in table:
        table[key].update(child)
        return
    body = table.value.body
    last = max(place for place, (name, _) in enumerate(body) if name is not None)
    tail = [item for _, item in body[last + 1 :]]
    del body[last + 1 :]
    table.add(tomlkit.nl())
    table.add(key, child)
    for item in tail or [tomlkit.nl()]:
        child.append(None, item)


def _table(values: Mapping[str, Any]) -> Table:
    table = tomlkit.table()
    for key, value in values.items():
        table.add(key, value)
    return table


def _checked(document: tomlkit.TOMLDocument) -> str:
    text = document.as_string()
    parse(text.encode(), where=_WHERE)
    return text
