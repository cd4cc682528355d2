"""Generated people for attacks: a file, strangers, and the agreement that an attacker knows the parameters of."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from functools import cache

import numpy as np

from pprl.agreements.draft import DatasetSketch, draft
from pprl.encode.records import prepare
from pprl.privacy.views import Bytes
from pprl.protocol.agreement import Agreement, AgreementFile, Scheme, parse
from pprl.synthetic import TRUTH_COLUMN, Table, linkage_pair

DAY = date(2026, 11, 1)
KEY, OTHER_KEY = bytes(range(32)), bytes(range(32, 64))


def no_limit() -> None:
    """A tick for attacks that may take as long as they need."""


@dataclass(frozen=True, slots=True)
class Population:
    """Standardised people, one record each.

    Attributes:
        agreement: what `pprl agreement new` drafts for them.
        file: the records that are attacked.
        strangers: other people.
        other_file: records of another department's, of which half are of people in `file`.
        truth: row of `file` and of `other_file` of each person who is in both.
    """

    agreement: AgreementFile
    file: dict[str, list[str]]
    strangers: dict[str, list[str]]
    other_file: dict[str, list[str]]
    truth: np.ndarray


@cache
def population(people: int, *, scheme: Scheme = "field-filters", seed: int = 1) -> Population:
    """People of the whole country, households among them; the same for the same seed."""
    pair = linkage_pair(2 * people, people, 0.5, seed=seed)
    columns = tuple(name for name in pair.a.columns if name != TRUTH_COLUMN)
    sketches = [DatasetSketch(name, columns, people) for name in ("a", "b")]
    agreement = parse(draft(sketches, today=DAY, scheme=scheme).encode(), where="draft")
    a, b = (standardised(table, agreement) for table in (pair.a, pair.b))
    inside = pair.truth[pair.truth[:, 0] < people]
    return Population(
        agreement,
        {name: values[:people] for name, values in a.items()},
        {name: values[people:] for name, values in a.items()},
        b,
        inside,
    )


def with_all_in_a_block(agreement: Agreement) -> Agreement:
    """The same where all records of a block are sent: what these attacks must succeed against."""
    parameters = agreement.encoding.field_filter_parameters.model_copy(update={"one_person_a_block": False})
    encoding = agreement.encoding.model_copy(update={"field_filters": parameters})
    return agreement.model_copy(update={"encoding": encoding})


def standardised(table: Table, agreement: AgreementFile) -> dict[str, list[str]]:
    """A table's records as they would be encoded."""
    dataset = agreement.content.dataset[0]
    columns = {name: list(table.columns[name]) for name in table.columns}
    return prepare(
        columns, first_row=2, dataset=dataset, agreement=agreement.content, most_findings=0
    ).columns


def random_filters(like: Bytes, rng: np.random.Generator) -> Bytes:
    """Filters with as many bits set as others on average, each bit by chance: nothing to be found in them."""
    share = np.bitwise_count(like).sum() / (8 * like.size)
    return np.packbits(rng.random((len(like), 8 * like.shape[1])) < share, axis=1)
