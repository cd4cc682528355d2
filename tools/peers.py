"""The systems that people would otherwise take, set up as their own documents say: Splink, and clkhash with anonlink.

Both get the same records as ours, standardised by our own rules, as both ask for clean input. `tools/quality.py` runs
them and scores them; nothing here knows the truth.
"""

from __future__ import annotations

import logging
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import splink.comparison_library as cl
from anonlink.candidate_generation import find_candidate_pairs
from anonlink.similarities import dice_coefficient_accelerated
from anonlink.solving import greedy_solve, probabilistic_greedy_solve
from clkhash.clk import generate_clks
from clkhash.schema import from_json_dict
from numpy.typing import NDArray
from splink import DuckDBAPI, Linker, SettingsCreator, block_on

from pprl.encode.clk import linkage_schema
from pprl.protocol.agreement import Agreement

# What Splink's own examples cluster at.
SPLINK_THRESHOLD = 0.95
# Pairs that are less likely are of no use to anybody, and there are very many of them.
LEAST_WEIGHT = -4.0
RANDOM_PAIRS = 1e7
ASSUMED_RECALL = 0.7

MOST = 0.5
_MEMORY_LIMIT = "SELECT current_setting('memory_limit')"

ANONLINK_THRESHOLD = 0.8
ANONLINK_FLOOR = 0.65
ANONLINK_SWEEP = tuple(round(0.65 + 0.01 * step, 2) for step in range(33))
CLKHASH_KEY = bytes(range(32))

Columns = Mapping[str, Sequence[str]]


@dataclass(frozen=True, slots=True)
class Records:
    """The records of all datasets, standardised.

    Attributes:
        agreement: drafted from the headers; says which identifiers there are, and of what kind.
        columns: for each dataset, in the agreement's order, values by identifier; "" where missing.
    """

    agreement: Agreement
    columns: Mapping[str, Columns]

    @property
    def duplicates(self) -> list[bool]:
        """For each dataset, whether a person may be in it more than once."""
        return [dataset.may_have_duplicates for dataset in self.agreement.dataset]

    def rows(self) -> list[int]:
        """For each dataset, its number of records."""
        return [len(next(iter(columns.values()))) for columns in self.columns.values()]


@dataclass(frozen=True, slots=True)
class Predicted:
    """Scored pairs of records, numbered through all datasets.

    Attributes:
        left: record of each pair.
        right: the other record.
        scores: what speaks for the pair; whatever the system calls it.
    """

    left: NDArray[np.int64]
    right: NDArray[np.int64]
    scores: NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class PlainTables:
    """The records as Splink takes them.

    Attributes:
        agreement: drafted from the headers; says which identifiers there are, and of what kind.
        tables: for each dataset, in the agreement's order, `unique_id` numbered through all of them, and its
            identifiers; null for missing, a space in UK postcodes.
    """

    agreement: Agreement
    tables: Mapping[str, pa.Table]

    @staticmethod
    def of(records: Records) -> PlainTables:
        """The tables of records that are in memory."""
        starts = np.concatenate([[0], np.cumsum(records.rows())])
        tables = {
            name: plain_table(columns, records.agreement, start=int(start))
            for (name, columns), start in zip(records.columns.items(), starts, strict=False)
        }
        return PlainTables(records.agreement, tables)


Labels = list[NDArray[np.int64]]


def weight_of(probability: float) -> float:
    """Splink's match weight of a probability: log2 of its odds."""
    return math.log2(probability / (1 - probability))


class Splink:
    """A trained Splink model, as in its documentation's examples for people.

    Comparisons: names with term frequencies, date of birth and UK postcode as its library has them out of the box; edit
    distance with term frequencies for other postcodes, as in its FEBRL 4 example. u from random pairs; the prior from
    deterministic rules; m by EM over blocks of equal names and of equal dates of birth. Forename and surname in one
    comparison, and a third round of EM over equal postcodes, are documented too, and were worse on the data tried.

    Attributes:
        memory_limit: what DuckDB may take, by its own default; as it says it.
    """

    def __init__(self, given: PlainTables) -> None:
        self._rows = [table.num_rows for table in given.tables.values()]
        identifiers = set(given.agreement.kinds())
        database = DuckDBAPI()
        self.memory_limit = str(database.duckdb_con.execute(_MEMORY_LIMIT).fetchall()[0][0])
        tables = [database.register(table, dataset_display_name=name) for name, table in given.tables.items()]
        duplicates = any(dataset.may_have_duplicates for dataset in given.agreement.dataset)
        settings = SettingsCreator(
            link_type="link_and_dedupe" if duplicates else "link_only",
            comparisons=comparisons(given),
            blocking_rules_to_generate_predictions=blocking_rules(identifiers),
            retain_matching_columns=False,
        )
        self._linker = Linker(tables, settings, log_level=logging.ERROR)
        self._train(identifiers)
        self._scored = self._linker.inference.predict(threshold_match_weight=LEAST_WEIGHT)

    def _train(self, identifiers: set[str]) -> None:
        training = self._linker.training
        training.estimate_probability_two_random_records_match(
            deterministic_rules(identifiers), recall=ASSUMED_RECALL
        )
        training.estimate_u_using_random_sampling(max_pairs=RANDOM_PAIRS, seed=1)
        for rule in (("given_name", "surname"), ("date_of_birth",)):
            training.estimate_parameters_using_expectation_maximisation(
                block_on(*rule), estimate_without_term_frequencies=True
            )

    def pairs(self) -> Predicted:
        """All pairs that it scored, with their match weights."""
        table = self._scored.as_pyarrow_table()
        left, right = (table.column(f"unique_id_{side}").to_numpy() for side in "lr")
        weights = table.column("match_weight").to_numpy().astype(np.float64)
        return Predicted(left.astype(np.int64), right.astype(np.int64), weights)

    def clusters(self, weight: float) -> Labels:
        """Connected components of the pairs at or above a match weight: the cluster of each record."""
        found = self._linker.clustering.cluster_pairwise_predictions_at_threshold(
            self._scored, threshold_match_weight=weight
        ).as_pyarrow_table()
        ids = found.column("unique_id").to_numpy()
        names = found.column("cluster_id").to_numpy(zero_copy_only=False).astype(str)
        labels = np.empty(len(ids), dtype=np.int64)
        labels[ids] = np.unique(names, return_inverse=True)[1]
        return np.split(labels, np.cumsum(self._rows)[:-1])


def comparisons(given: PlainTables) -> list[Any]:
    """Splink's comparisons for the identifiers of an agreement."""
    found: list[Any] = []
    for name, kind in given.agreement.kinds().items():
        if kind in ("given-name", "middle-names", "surname"):
            found.append(cl.NameComparison(name))
        elif kind == "date-of-birth":
            found.append(cl.DateOfBirthComparison(name, input_is_string=True))
        elif kind == "postcode" and _are_british(given, name):
            found.append(cl.PostcodeComparison(name))
        elif kind == "postcode":
            edits = cl.DamerauLevenshteinAtThresholds(name, [1, 2])
            found.append(edits.configure(term_frequency_adjustments=True))
        elif kind == "sex":
            found.append(cl.ExactMatch(name))
        else:
            alike = cl.JaroWinklerAtThresholds(name, [0.92, 0.8])
            found.append(alike.configure(term_frequency_adjustments=True))
    return found


def _are_british(given: PlainTables, postcode: str) -> bool:
    """Whether most postcodes of the first dataset are such as Splink's comparison can take apart."""
    values = next(iter(given.tables.values())).column(postcode)
    share = pc.mean(pc.match_substring(values, " ")).as_py()
    return share is not None and share > MOST


def blocking_rules(identifiers: set[str]) -> list[Any]:
    """Rules in the manner of Splink's examples: whole names, swapped names, parts of names with others, postcodes."""
    rules = [
        ("given_name", "surname"),
        ("date_of_birth",),
        ("postcode",),
        ("substr(given_name,1,3)", "substr(surname,1,4)"),
        ("substr(given_name,1,2)", "substr(surname,1,2)", "substr(date_of_birth,1,4)"),
        ("substr(postcode,1,3)", "given_name"),
        ("substr(postcode,1,3)", "surname"),
        ("address", "surname"),
    ]
    there = [block_on(*rule) for rule in rules if all(_has(identifiers, part) for part in rule)]
    return [*there, "l.given_name = r.surname and l.surname = r.given_name"]


def deterministic_rules(identifiers: set[str]) -> list[Any]:
    """Rules that hardly ever put two people together."""
    rules = [
        ("given_name", "surname", "date_of_birth"),
        ("substr(given_name,1,2)", "surname", "postcode"),
        ("date_of_birth", "postcode"),
    ]
    return [block_on(*rule) for rule in rules if all(_has(identifiers, part) for part in rule)]


def _has(identifiers: set[str], part: str) -> bool:
    return part.removeprefix("substr(").split(",")[0] in identifiers


def plain_table(columns: Columns, agreement: Agreement, *, start: int) -> pa.Table:
    """Standardised records as Splink takes them, in `PlainTables`.

    Args:
        columns: values by identifier; "" where missing.
        agreement: says which identifiers there are, and of what kind.
        start: the first record's `unique_id`.
    """
    rows, kinds = len(next(iter(columns.values()))), agreement.kinds()
    table: dict[str, Any] = {"unique_id": pa.array(range(start, start + rows), pa.int64())}
    for name in kinds:
        values = columns.get(name, [""] * rows)
        if kinds[name] == "postcode":
            values = [with_a_space(value) for value in values]
        table[name] = pa.array([value or None for value in values], pa.string())
    return pa.table(table)


def with_a_space(postcode: str) -> str:
    """A UK postcode with the space that Splink's comparison looks for; others as they are."""
    outward, inward = postcode[:-3], postcode[-3:]
    if outward[:1].isalpha() and inward[:1].isdigit():
        return f"{outward} {inward}"
    return postcode


class ClkhashAnonlink:
    """CLKs by clkhash itself, of the drafted linkage schema; candidates and solution by anonlink."""

    def __init__(self, records: Records) -> None:
        schema = from_json_dict(linkage_schema(records.agreement))
        self._records = records
        clks = [_clks(records.agreement, columns, schema) for columns in records.columns.values()]
        self._candidates = find_candidate_pairs(clks, dice_coefficient_accelerated, ANONLINK_FLOOR)

    def clusters(self, threshold: float) -> Labels:
        """The cluster of each record at a threshold, by the greedy solver.

        Where a person may be in a dataset more than once, by anonlink's solver for that, which can only go by pairs
        between datasets.
        """
        scores, (left_set, right_set), (left, right) = self._candidates
        keep = np.asarray(scores) >= threshold
        some = (
            np.asarray(scores)[keep],
            tuple(np.asarray(each)[keep] for each in (left_set, right_set)),
            tuple(np.asarray(each)[keep] for each in (left, right)),
        )
        if any(self._records.duplicates):
            groups = probabilistic_greedy_solve(some, deduplicated=False)
        else:
            groups = greedy_solve(some)
        return self._labels(groups)

    def _labels(self, groups: Sequence[Sequence[tuple[int, int]]]) -> Labels:
        starts = np.concatenate([[0], np.cumsum(self._records.rows())])
        labels = np.arange(starts[-1])
        for group in groups:
            members = [starts[dataset] + record for dataset, record in group]
            labels[members] = min(members)
        return np.split(labels, starts[1:-1])


def _clks(agreement: Agreement, columns: Columns, schema: Any) -> list[Any]:
    rows = len(next(iter(columns.values())))
    order = [feature.identifier for feature in agreement.encoding.clk_parameters.features]
    values = [columns.get(name, [""] * rows) for name in order]
    records = [list(row) for row in zip(*values, strict=True)]
    return list(generate_clks(records, schema, CLKHASH_KEY, validate=False, max_workers=1))
