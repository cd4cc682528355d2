"""Attack every profile, and hardenings that were thought of, and put what came of it into docs/privacy.md.

Run by `make risk`. Each cell is an attack on an encoding of so many made-up people by somebody who knows something, or
the quality of linkage with that encoding; its result is a line of JSON in docs/measured/risk.jsonl, which is kept in
the repository. What is in the file already isn't made again, so a run that was cut goes on where it stopped, and the
page is made of what is there. Small sizes come first, and of each size what counts most.

Profiles are the product's, as `pprl agreement new` drafts them. Hardenings are not in the product: they are transforms
of the plain filters of profile clkhash-compatible, made here alone, so that the choice between them is shown.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import cache, lru_cache
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pprl.agreements.draft import DatasetSketch, draft
from pprl.encode.records import prepare
from pprl.privacy import exposure
from pprl.privacy.attempts import MANY_KNOWN, Attempt, attempts
from pprl.privacy.battery import made
from pprl.privacy.ground import Encode, Ground
from pprl.privacy.measure import OutOfTime
from pprl.privacy.sampling import Sample
from pprl.privacy.views import Bytes, Tick
from pprl.protocol.agreement import AgreementFile, parse
from pprl.protocol.profiles import SCHEME_OF, Profile
from pprl.protocol.risk_statement import EVERYBODY, VERY_FILE
from pprl.scoring import score
from pprl.synthetic import LinkagePair, linkage_pair
from tools import calibration
from tools import risk_report as report
from tools.quality import best_cut, one_to_one
from tools.risk_files import attempts_with_other_lists

ROOT = Path(__file__).parents[1]
PAGE = ROOT / "docs" / "privacy.md"
RESULTS = ROOT / "docs" / "measured" / "risk.jsonl"
SIZES = (5_000, 20_000, 50_000)
SEED = 2_026
KNOWN_PEOPLE = 30
SECONDS_EACH = 1_200.0

# How careless the offices are whose files are linked: as they are by default, and three times that.
ERROR_SCALES: Mapping[str, float] = {"light": 1.0, "heavy": 3.0}
LINKED_OVERLAP = 0.5
_LEAST_DICE_TO_KEEP, _KEPT_A_RECORD, _ROWS_AT_ONCE = 0.4, 3, 1_000

Columns = Mapping[str, Sequence[str]]


@dataclass(frozen=True, slots=True)
class Encoding:
    """A way to encode records.

    Attributes:
        name: what the page calls it.
        profile: whose agreement it goes by.
        transform: what is done to filters of that profile; None for the profile itself.
        of_one_year: whether those alone are attacked who were born in the file's most frequent year.
    """

    name: str
    profile: Profile
    transform: Callable[[AgreementFile], Encode] | None = None
    of_one_year: bool = False

    @property
    def is_profile(self) -> bool:
        """Whether the product encodes like that."""
        return self.transform is None and not self.of_one_year


# Hardenings. Each is for the encoder of an agreement, and takes its place.


def folded(times: int) -> Callable[[AgreementFile], Encode]:
    """Halves of a filter laid over each other by exclusive or, so many times. Source: Schnell and Borgs (2016)."""

    def transform(filters: Bytes, _rng: np.random.Generator) -> Bytes:
        for _ in range(times):
            half = filters.shape[1] // 2
            filters = filters[:, :half] ^ filters[:, half:]
        return filters

    return _of_filters(transform)


def flipped(share: float) -> Callable[[AgreementFile], Encode]:
    """Each bit turned over with this chance, drawn anew for each record.

    Source: Alaggan, Gambs and Kermarrec (2012), BLIP.
    """

    def transform(filters: Bytes, rng: np.random.Generator) -> Bytes:
        return np.concatenate(
            [
                some
                ^ np.packbits(rng.random((len(some), 8 * some.shape[1]), dtype=np.float32) < share, axis=1)
                for some in np.array_split(filters, max(1, len(filters) // _ROWS_AT_ONCE))
            ]
        )

    return _of_filters(transform)


def rule_90() -> Callable[[AgreementFile], Encode]:
    """Each bit becomes the exclusive or of its two neighbours, in a ring. Source: Schnell and Borgs (2018)."""

    def transform(filters: Bytes, _rng: np.random.Generator) -> Bytes:
        bits = np.unpackbits(filters, axis=1)
        return np.packbits(np.roll(bits, 1, axis=1) ^ np.roll(bits, -1, axis=1), axis=1)

    return _of_filters(transform)


def salted_by_year() -> Callable[[AgreementFile], Encode]:
    """A key of its own for each year of birth. Source: Niedermeyer, Steinmetzer, Kroll and Schnell (2014)."""

    def of(agreement: AgreementFile) -> Encode:
        born = next(name for name, kind in agreement.content.kinds().items() if kind == "date-of-birth")

        def encode(columns: Columns, key: bytes) -> Bytes:
            years = np.array([value[:4] for value in columns[born]])
            size = agreement.content.encoding.clk_parameters.clk_bits // 8
            filters = np.zeros((len(years), size), dtype=np.uint8)
            for year in np.unique(years).tolist():
                rows = np.flatnonzero(years == year)
                some = {name: [values[row] for row in rows] for name, values in columns.items()}
                salted = hashlib.sha256(key + year.encode("ascii")).digest()
                filters[rows] = exposure.whole_filters(some, agreement.content, salted)
            return filters

        return encode

    return of


def random_bits() -> Callable[[AgreementFile], Encode]:
    """No encoding at all: what attacks name by luck."""
    return _of_filters(lambda filters, rng: rng.integers(0, 256, filters.shape, dtype=np.uint8))


def _of_filters(
    transform: Callable[[Bytes, np.random.Generator], Bytes],
) -> Callable[[AgreementFile], Encode]:
    def of(agreement: AgreementFile) -> Encode:
        def encode(columns: Columns, key: bytes) -> Bytes:
            # No two encodings of one record have the same noise: not under one key either.
            names = hashlib.sha256(key + "\x1f".join(map("\x1e".join, columns.values())).encode()).digest()
            filters = exposure.whole_filters(columns, agreement.content, key)
            return transform(filters, np.random.default_rng(int.from_bytes(names[:8], "big")))

        return encode

    return of


NOTHING = "random bits"

ENCODINGS: tuple[Encoding, ...] = (
    Encoding("accuracy-first", "accuracy-first"),
    Encoding("privacy-first", "privacy-first"),
    Encoding("clkhash-compatible", "clkhash-compatible"),
    Encoding("xor fold once", "clkhash-compatible", folded(1)),
    Encoding("xor fold twice", "clkhash-compatible", folded(2)),
    Encoding("BLIP 5 %", "clkhash-compatible", flipped(0.05)),
    Encoding("BLIP 10 %", "clkhash-compatible", flipped(0.10)),
    Encoding("rule 90", "clkhash-compatible", rule_90()),
    Encoding("salt by year of birth", "clkhash-compatible", salted_by_year()),
    Encoding("salt by year of birth, years told apart", "clkhash-compatible", of_one_year=True),
    Encoding(NOTHING, "clkhash-compatible", random_bits()),
)


# Cells.


@dataclass(frozen=True, slots=True)
class Cell:
    """Something to be measured.

    Attributes:
        size: records that are attacked, or of each of the two files that are linked.
        encoding: how they are encoded.
        what: "attack" or "quality".
        attack: name of the attack; empty for quality.
        holder: who makes it; empty for quality.
        list: the attacker's list; for quality how careless the offices are: light or heavy.
        overlap: how many in a hundred of the file's people are on the list, or in both files.
        known: records that the attacker recognises.
        seed: of people, errors, secrets and attackers.
        drafted: digest of the drafted agreement. A line with another one is of another draft, and is not this cell's.
    """

    size: int
    encoding: str
    what: str
    attack: str
    holder: str
    list: str
    overlap: int
    known: int
    seed: int = SEED
    drafted: str = ""


def cells(sizes: Sequence[int], seed: int = SEED) -> Iterator[tuple[Cell, Callable[[float], dict[str, Any]]]]:
    """Every cell with what measures it in a number of seconds, in the order in which they are to be measured."""
    for size in sizes:
        for encoding in ENCODINGS:
            for errors in ERROR_SCALES if encoding.name != NOTHING and not encoding.of_one_year else ():
                yield _linked_cell(size, encoding, errors, seed), _link(size, encoding, errors, seed)
        for encoding in ENCODINGS:
            for attempt in attempts_on(encoding, size):
                yield _cell(size, encoding, attempt, seed), _measure(size, encoding, attempt, seed)


def attempts_on(encoding: Encoding, size: int) -> list[Attempt]:
    """On the default profile all that `pprl risk` tries, and what it does not try; on others what tells most of them.

    Attackers of whole filters set everybody against everybody: one attempt on 50,000 records takes minutes.
    """
    scheme = SCHEME_OF[encoding.profile]
    tried = attempts(scheme, records=size, known_people=KNOWN_PEOPLE)
    if not encoding.is_profile:
        return [each for each in tried if _tells_of_hardening(each, small=size <= SIZES[0])]
    if scheme == "clk":
        return [each for each in tried if size <= SIZES[0] or _tells_of_large_file(each)]
    return [*tried, *attempts_with_other_lists(KNOWN_PEOPLE, records=size)]


def _tells_of_hardening(attempt: Attempt, *, small: bool) -> bool:
    """The very file, in the hands of attackers to whom plain filters fall; of large files, of the best of them."""
    name, knows = attempt.attack.name, attempt.knowledge
    if (knows.list, knows.overlap) != (VERY_FILE, EVERYBODY):
        return False
    if name == "propagation":
        return knows.known in {KNOWN_PEOPLE, MANY_KNOWN}
    return small and name in {"spectral", "embedding"} and knows.known in {0, KNOWN_PEOPLE}


def _tells_of_large_file(attempt: Attempt) -> bool:
    """Everybody on the list, or half or a fifth of the people for the attacker who does best."""
    name, knows = attempt.attack.name, attempt.knowledge
    if name == "patterns":
        return False  # it names nobody in small files of plain filters: in large ones that would tell nothing
    if knows.list == VERY_FILE:
        return name == "propagation" or (knows.overlap == EVERYBODY and knows.known in {0, KNOWN_PEOPLE})
    return knows.overlap == EVERYBODY and name == "propagation" and knows.known == KNOWN_PEOPLE


def _linked_cell(size: int, encoding: Encoding, errors: str, seed: int) -> Cell:
    overlap, drafted = round(100 * LINKED_OVERLAP), drafted_for(size, encoding.profile, "quality")
    return Cell(size, encoding.name, "quality", "", "", errors, overlap, 0, seed, drafted)


def _link(size: int, encoding: Encoding, errors: str, seed: int) -> Callable[[float], dict[str, Any]]:
    return lambda _seconds: quality(size, encoding, errors, seed)


def _cell(size: int, encoding: Encoding, attempt: Attempt, seed: int) -> Cell:
    attack, knows = attempt.attack, attempt.knowledge
    known = knows.list, knows.overlap, knows.known
    drafted = drafted_for(size, encoding.profile, "attack")
    return Cell(size, encoding.name, "attack", attack.name, attack.holder, *known, seed, drafted)


def _measure(size: int, encoding: Encoding, attempt: Attempt, seed: int) -> Callable[[float], dict[str, Any]]:
    """What makes an attempt, in seconds of one processor."""

    def measure(seconds: float) -> dict[str, Any]:
        ground = ground_of(size, encoding.name, seed)
        told = made(attempt, ground, _until(time.process_time() + seconds), time.process_time)
        return {
            "of": told.named.of,
            "named": told.named.right,
            "wrong": told.named.wrong,
            "upper_per_10000": told.named.upper,
            "finished": told.finished,
            "seconds": round(told.seconds, 1),
        }

    return measure


def _until(end: float) -> Tick:
    def tick() -> None:
        if time.process_time() > end:
            raise OutOfTime

    return tick


# What is attacked.


@lru_cache(1)
def ground_of(size: int, name: str, seed: int = SEED) -> Ground:
    """The people of a size under an encoding: those attacked, and as many strangers."""
    encoding = next(each for each in ENCODINGS if each.name == name)
    pair = _population(size, seed)
    agreement = agreement_of(pair, encoding.profile)
    columns = standardised(pair.a.columns, agreement)
    file, strangers = (
        {name: values[part] for name, values in columns.items()} for part in (slice(size), slice(size, None))
    )
    if encoding.of_one_year:
        born = next(name for name, kind in agreement.content.kinds().items() if kind == "date-of-birth")
        year = Counter(value[:4] for value in file[born] if value).most_common(1)[0][0]
        file, strangers = (_born_in(each, born, year) for each in (file, strangers))
    encode = encoding.transform(agreement) if encoding.transform else None
    return Ground(Sample(file, strangers, size), agreement.content, seed, encode=encode)


def _born_in(columns: Columns, born: str, year: str) -> dict[str, list[str]]:
    rows = [row for row, value in enumerate(columns[born]) if value.startswith(year)]
    return {name: [values[row] for row in rows] for name, values in columns.items()}


@lru_cache(1)
def _population(size: int, seed: int) -> LinkagePair:
    return linkage_pair(2 * size, size, 0.5, seed=seed)


@lru_cache(2)
def _linked(size: int, errors: str, seed: int = SEED) -> LinkagePair:
    return linkage_pair(size, size, LINKED_OVERLAP, error_scale=ERROR_SCALES[errors], seed=seed + 1)


def agreement_of(pair: LinkagePair, profile: Profile) -> AgreementFile:
    """The agreement that would be drafted for two files."""
    return _agreement(
        tuple(pair.a.without_truth().header), tuple(pair.b.without_truth().header), pair.b.rows, profile
    )


@cache
def _agreement(a: tuple[str, ...], b: tuple[str, ...], rows: int, profile: Profile) -> AgreementFile:
    sketches = [DatasetSketch("a", a, rows), DatasetSketch("b", b, rows)]
    return parse(draft(sketches, today=calibration.DAY, profile=profile).encode(), where="draft")


@cache
def drafted_for(size: int, profile: Profile, what: str) -> str:
    """Digest of what an agreement about files of this size would say of the matter.

    Args:
        size: records of each file.
        profile: whose agreement.
        what: "attack", for which it matters how records are encoded, or "quality", for which it also matters how
            links are decided.
    """
    pair = linkage_pair(2, 2, 0.5, seed=SEED)
    left, right = (tuple(each.without_truth().header) for each in (pair.a, pair.b))
    content = _agreement(left, right, size, profile).content
    # Nobody has two records in these files, so that there is nobody to join at home.
    told = content.encoding.model_dump_json(exclude={"field_filters": {"join_at_home"}})
    if what == "quality":
        told += content.linkage.model_dump_json()
    return hashlib.sha256(told.encode()).hexdigest()[:16]


def standardised(columns: Mapping[str, list[str]], agreement: AgreementFile) -> dict[str, list[str]]:
    """A table's records as they would be encoded."""
    return prepare(
        dict(columns),
        first_row=calibration.FIRST_ROW,
        dataset=agreement.content.dataset[0],
        agreement=agreement.content,
        most_findings=0,
    ).columns


# Quality.


def quality(size: int, encoding: Encoding, errors: str, seed: int = SEED) -> dict[str, Any]:
    """F1 of linking two files: at the threshold that the product sets; for filters also at the best of Dice."""
    pair = _linked(size, errors, seed)
    agreement = agreement_of(pair, encoding.profile)
    if encoding.transform is not None:
        return {"best_f1": round(best_f1(pair, agreement, encoding.transform(agreement)), 6)}
    tables = {"a": pair.a.columns, "b": pair.b.columns}
    decided = calibration.decision(agreement, tables, seed=SEED)
    found = score(calibration.linked(decided), decided.people, [False, False])
    told: dict[str, Any] = {"f1": round(found.f1, 6)}
    if agreement.content.encoding.scheme == "clk":
        encode: Encode = lambda columns, key: exposure.whole_filters(columns, agreement.content, key)  # noqa: E731
        told["best_f1"] = round(best_f1(pair, agreement, encode), 6)
    return told


def best_f1(pair: LinkagePair, agreement: AgreementFile, encode: Encode) -> float:
    """The highest F1 that any Dice threshold gives, linked one to one, the most alike first."""
    key = np.random.default_rng(SEED).bytes(32)
    left, right = (encode(standardised(table.columns, agreement), key) for table in (pair.a, pair.b))
    one, other, dice = most_alike(left, right)
    kept = one_to_one(one, other, dice)
    row_in_b = np.full(len(left), -1, dtype=np.int64)
    row_in_b[pair.truth[:, 0]] = pair.truth[:, 1]
    return best_cut(dice[kept], row_in_b[one[kept]] == other[kept], len(pair.truth))


def most_alike(left: Bytes, right: Bytes) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.float64]]:
    """For each filter on the left the few on the right that are most alike, with their Dice similarities."""
    bits_right = np.unpackbits(right, axis=1).astype(np.float32)
    in_right = bits_right.sum(axis=1)
    found = []
    for start in range(0, len(left), _ROWS_AT_ONCE):
        bits = np.unpackbits(left[start : start + _ROWS_AT_ONCE], axis=1).astype(np.float32)
        dice = 2 * (bits @ bits_right.T) / np.maximum(bits.sum(axis=1)[:, None] + in_right, 1)
        kept = min(_KEPT_A_RECORD, dice.shape[1])
        best = np.argpartition(dice, -kept, axis=1)[:, -kept:]
        values = np.take_along_axis(dice, best, axis=1)
        row, place = np.nonzero(values >= _LEAST_DICE_TO_KEEP)
        found.append((row + start, best[row, place], values[row, place].astype(np.float64)))
    one, other, values = (np.concatenate(each) for each in zip(*found, strict=True))
    return one.astype(np.int64), other.astype(np.int64), values


# Running, a line a cell.


def key(line: Mapping[str, Any]) -> tuple[Any, ...]:
    """What cell a line is of."""
    before = {"seed": SEED, "drafted": ""}
    return tuple(line[name] if name in line else before[name] for name in Cell.__slots__)


def read(path: Path) -> list[dict[str, Any]]:
    """The lines of a file, the last of each cell; none if there is no file."""
    lines = calibration.read([path]) if path.exists() else []
    return list({key(line): line for line in lines}.values())


def of_today(lines: Iterable[Mapping[str, Any]]) -> list[Mapping[str, Any]]:
    """The lines of agreements as they are drafted now: a figure of another draft tells nothing of today's."""
    profiles = {each.name: each.profile for each in ENCODINGS}
    return [
        line
        for line in lines
        if line["encoding"] in profiles
        and line.get("drafted") == drafted_for(line["size"], profiles[line["encoding"]], line["what"])
    ]


def measure(
    path: Path, *, sizes: Sequence[int], only: str, budget: float, each: float, seed: int = SEED
) -> None:
    """Measure the cells that the file lacks, or that had less time than they may have now."""
    done = {key(line): line for line in read(path)}
    wanted = [(cell, run) for cell, run in cells(sizes, seed) if only in _named(cell)]
    missing = [(cell, run) for cell, run in wanted if not _is_done(done.get(key(asdict(cell))), each)]
    sys.stderr.write(f"{len(missing)} of {len(wanted)} cells to measure, into {path}\n")
    path.parent.mkdir(parents=True, exist_ok=True)
    calibration.drop_cut_off_line(path)
    ends = time.monotonic() + budget
    with path.open("a", encoding="utf-8") as file:
        for number, (cell, run) in enumerate(missing, start=1):
            left = ends - time.monotonic()
            if left <= 0:
                sys.stderr.write("The time is over; the same command goes on from here.\n")
                return
            started = time.process_time()
            found = run(min(each, left))
            line = {
                **asdict(cell),
                "seconds": round(time.process_time() - started, 1),
                **found,
                "given": round(min(each, left)),
            }
            file.write(json.dumps(line) + "\n")
            file.flush()
            sys.stderr.write(f"{number} of {len(missing)}: {_named(cell)}: {found}, {line['seconds']} s\n")


def _is_done(line: Mapping[str, Any] | None, each: float) -> bool:
    return line is not None and (line.get("finished", True) or line["given"] >= round(each))


def _named(cell: Cell) -> str:
    knows = f"{cell.list} {cell.overlap} {cell.known}"
    return f"{cell.size} {cell.encoding}: {cell.attack or cell.what} {cell.holder} {knows}"


def main() -> None:
    """Measure, and write the page."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--results", type=Path, default=RESULTS, help="a line of JSON a cell, so far")
    parser.add_argument(
        "--sizes", type=_sizes, default=SIZES, help="records that are attacked, as 5000,20000"
    )
    parser.add_argument("--seed", type=int, default=SEED, help="of people, errors, secrets and attackers")
    parser.add_argument("--only", default="", metavar="TEXT", help="cells with this in their name, as 'BLIP'")
    parser.add_argument("--budget", type=float, default=float("inf"), metavar="SECONDS", help="for all of it")
    parser.add_argument(
        "--each",
        type=float,
        default=SECONDS_EACH,
        metavar="SECONDS",
        help="of a processor, at most, for an attack",
    )
    parser.add_argument("--page", action="store_true", help="measure nothing: make the page of what is there")
    options = parser.parse_args()
    if not options.page:
        measure(
            options.results,
            sizes=options.sizes,
            only=options.only,
            budget=options.budget,
            each=options.each,
            seed=options.seed,
        )
    PAGE.write_text(page(options.results), encoding="utf-8")


def page(path: Path) -> str:
    """The page, with tables of what is measured and of today."""
    lines, order = of_today(read(path)), [each.name for each in ENCODINGS]
    there = {key(line) for line in lines}
    missing = [told for cell, _ in cells(SIZES) if key(told := asdict(cell)) not in there]
    text = calibration.with_section(PAGE.read_text(encoding="utf-8"), "target", report.target(lines))
    return calibration.with_section(text, "risk", report.section(lines, order, missing))


def _sizes(text: str) -> tuple[int, ...]:
    return tuple(int(part) for part in text.split(","))


if __name__ == "__main__":
    main()
