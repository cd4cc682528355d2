"""The tables of docs/privacy.md, made of the lines that `tools.risk` has measured. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence, Set
from typing import Any

Line = Mapping[str, Any]

# Who has the secret is told in a row of its own.
LEAKED_SECRET = "dictionary"  # noqa: S105 - the name of an attack
DEFAULT, PROFILES = "accuracy-first", ("accuracy-first", "privacy-first", "clkhash-compatible")
EVERYBODY, RECOGNISED, MOST_RECOGNISED = 100, 30, 1_000
TARGET_PER_10000 = 100
HOLDERS = {"matcher": "matcher", "key-issuer": "key issuer", "together": "both together"}
VERY_FILE = "very file"
LISTS = {VERY_FILE: "very file", "light": "light errors", "heavy": "heavy errors"}
NOT_MEASURED, NOT_FINISHED = "", "no end"
NOT_ALL, NOT_ALL_MEASURED = "not all ended", "not all measured"
UNKNOWN = "not measured"
_ALL = 10_000

# How many departments' files an attack sees a list of; what `tools.risk_files` makes says so in its name.
OF_ONE = {"in_blocks": "matcher", "pair_graph, one list": "key-issuer", "record_blocks, one list": "together"}
OF_TWO = {"in_blocks, two lists": "matcher", "pair_graph": "key-issuer", "record_blocks": "together"}
# What `pprl risk` does not try: encodings are compared without it.
WITH_OTHER_LISTS = {"in_blocks, two lists", "pair_graph, one list", "record_blocks, one list"}
_LISTS_HELD = "of one file", "of both files"


# The default profile, against the target.


def target(lines: Sequence[Line]) -> str:
    """The default profile by size: who is named, by whom, and whether that meets the target.

    Args:
        lines: what was measured, of all encodings.
    """
    ours = [line for line in lines if line["encoding"] == DEFAULT]
    sizes = sorted({line["size"] for line in ours})
    header = ["seen by", "lists the attacker has", *(f"{size:,} people" for size in sizes), "at most 1 %?"]
    kinds = ((OF_ONE, VERY_FILE), (OF_TWO, VERY_FILE), (OF_TWO, "light"), (OF_TWO, "heavy"))
    rows = [
        _row_of_target(ours, sizes, holder, attacks, kind) for attacks, kind in kinds for holder in HOLDERS
    ]
    leaked = [line for line in ours if line["attack"] == LEAKED_SECRET and _is_of(line, VERY_FILE, 0)]
    by_size = [[line for line in leaked if line["size"] == size] for size in sizes]
    rows.append(["anybody with the secret", "very file, of one file", *map(_share, by_size), "**no**"])
    return f"{_table(header, rows)}\n\n{_f1_by_size(ours, sizes)}"


def _row_of_target(
    lines: Sequence[Line], sizes: Sequence[int], holder: str, attacks: Mapping[str, str], kind: str
) -> list[str]:
    """What a holder names, by its worst attack with lists of one department or of two."""
    seen_by = {name for name, who in attacks.items() if holder in (who, "together")}
    some = [line for line in lines if line["attack"] in seen_by and _is_of(line, kind, RECOGNISED)]
    by_size = [[line for line in some if line["size"] == size] for size in sizes]
    shares = [
        f"at least {_share(found)}"
        if found and seen_by - {line["attack"] for line in found}
        else _share(found)
        for found in by_size
    ]
    return [
        HOLDERS[holder],
        f"{LISTS[kind]}, {_LISTS_HELD[attacks is OF_TWO]}",
        *shares,
        _meets(by_size, seen_by),
    ]


def _sees(holder: str, line: Line) -> bool:
    """Whether somebody can make an attack: the two together can make each one's."""
    return holder in (line["holder"], "together")


def _is_of(line: Line, kind: str, known: int) -> bool:
    return (line["list"], line["overlap"]) == (kind, EVERYBODY) and line["known"] <= known


def _share(lines: Sequence[Line]) -> str:
    """Per cent named, and in brackets the most that it may be; of several seeds the worst."""
    ended = [line for line in lines if line["finished"]]
    if not ended:
        return NOT_FINISHED if lines else UNKNOWN
    worst = max(ended, key=lambda line: line["upper_per_10000"])
    return f"{_per_cent(per_10000(worst))} ({_per_cent(worst['upper_per_10000'])})"


def _per_cent(of_10000: int) -> str:
    return f"{of_10000 / 100:.0f} %" if of_10000 >= 1_000 else f"{of_10000 / 100:.2f} %"


def _meets(by_size: Sequence[Sequence[Line]], attacks: Set[str]) -> str:
    """Whether the upper end of every attack is within the target; no word where sizes or attacks are lacking."""
    ended = [[line for line in lines if line["finished"]] for lines in by_size]
    if any(line["upper_per_10000"] > TARGET_PER_10000 for lines in ended for line in lines):
        return "**no**"
    whole = bool(ended) and all({line["attack"] for line in lines} >= attacks for lines in ended)
    return "yes" if whole else NOT_ALL_MEASURED


def _f1_by_size(lines: Sequence[Line], sizes: Sequence[int]) -> str:
    found = {size: _f1([line for line in lines if line["size"] == size], "f1") for size in sizes}
    told = "; ".join(f"{size:,} people: {f1 or UNKNOWN}" for size, f1 in found.items())
    return f"F1 of the same profile, light / heavy errors: {told}."


# All encodings.


def section(lines: Sequence[Line], encodings: Sequence[str], missing: Sequence[Line] = ()) -> str:
    """All tables.

    Args:
        lines: what was measured.
        encodings: their names, in the order of the tables.
        missing: cells that are yet to be measured, without what comes of them.
    """
    parts = []
    sizes = sorted({line["size"] for line in lines})
    for size in sizes:
        some, yet = ([line for line in each if line["size"] == size] for each in (lines, missing))
        parts += [f"### Every encoding, {size:,} records", summary(some, encodings, yet)]
    for size in sizes:
        some = [line for line in lines if line["size"] == size and line["what"] == "attack"]
        parts.append(f"### Every attack, {size:,} records")
        for title, names in _groups(encodings):
            if any(line["encoding"] in names for line in some):
                parts += [f"**{title}**: of 10,000 people, how many it named, by how many the attacker recognised",
                          details(some, names)]  # fmt: skip
    return "\n\n".join(parts) or "Nothing is measured yet."


def _groups(encodings: Sequence[str]) -> list[tuple[str, list[str]]]:
    """Tables of attacks: one for each profile, and one for all else."""
    groups = [(name, [name]) for name in encodings if name in PROFILES]
    return [*groups, ("hardenings and random bits", [name for name in encodings if name not in PROFILES])]


def summary(lines: Sequence[Line], encodings: Sequence[str], missing: Sequence[Line] = ()) -> str:
    """A row an encoding: quality, and the worst that each holder can do with everybody on its list.

    Args:
        lines: what was measured.
        encodings: their names, in order.
        missing: cells that are yet to be measured; a figure that should be of one says so.
    """
    header = [
        "encoding", "F1, own threshold", "F1, best Dice", *HOLDERS.values(), "errors in the list",
        f"{MOST_RECOGNISED:,} recognised", "secret leaked",
    ]  # fmt: skip
    rows = []
    for name in encodings:
        some, yet = ([line for line in each if line["encoding"] == name] for each in (lines, missing))
        if some:
            worst = [
                _told(of_all, of_missing)
                for of_all, of_missing in zip(_columns(some), _columns(yet), strict=True)
            ]
            worst.append(_worst((line for line in some if line["attack"] == LEAKED_SECRET), what="named"))
            rows.append([name, _f1(some, "f1"), _f1(some, "best_f1"), *worst])
    return _without_empty(header, rows)


def _columns(lines: Sequence[Line]) -> list[list[Line]]:
    """The attacks that each column is of, by people who have everybody on their list and do not have the secret."""
    apart = {LEAKED_SECRET, *WITH_OTHER_LISTS}
    judged = [
        line
        for line in lines
        if line["what"] == "attack" and line["overlap"] == EVERYBODY and line["attack"] not in apart
    ]
    counting = [line for line in judged if line["known"] <= RECOGNISED]
    exact = [line for line in counting if line["list"] == VERY_FILE]
    return [
        *([line for line in exact if _sees(holder, line)] for holder in HOLDERS),
        [line for line in counting if line["list"] != VERY_FILE],
        [line for line in judged if line["known"] == MOST_RECOGNISED],
    ]


def _told(lines: Sequence[Line], missing: Sequence[Line]) -> str:
    worst = _worst(lines)
    # More than everybody no other attack can name.
    return f"{worst}, {NOT_ALL_MEASURED}" if lines and missing and worst != f"{_ALL:,}" else worst


def _worst(lines: Iterable[Line], *, what: str = "upper") -> str:
    """The highest figure. Where an attack had no end the word says so: it may have named more."""
    found = list(lines)
    ended = [line for line in found if line["finished"]]
    if not ended:
        return NOT_FINISHED if found else NOT_MEASURED
    if what == "named":
        return f"{max(map(per_10000, ended)):,}"
    highest = max(line["upper_per_10000"] for line in ended)
    return f"{highest:,}" if len(ended) == len(found) or highest == _ALL else f"{highest:,}, {NOT_ALL}"


def per_10000(line: Line) -> int:
    """How many of 10,000 people an attack named."""
    return round(_ALL * line["named"] / line["of"]) if line["of"] else 0


def _f1(lines: Sequence[Line], which: str) -> str:
    found: dict[str, list[float]] = {}
    for line in lines:
        if line["what"] == "quality" and which in line:
            found.setdefault(line["list"], []).append(line[which])
    if not found:
        return NOT_MEASURED
    return " / ".join(
        _range([f"{each:.4f}" for each in sorted(found[errors])]) if errors in found else "-"
        for errors in ("light", "heavy")
    )


def _range(figures: Sequence[str]) -> str:
    """One figure, or from the lowest to the highest of several seeds."""
    return figures[0] if figures[0] == figures[-1] else f"{figures[0]} to {figures[-1]}"


# Attack by attack.


def details(lines: Sequence[Line], encodings: Sequence[str]) -> str:
    """A row for an attack and a list, a column for how many the attacker recognised.

    Args:
        lines: attacks that were measured.
        encodings: whose; the table names them if they are several.
    """
    attacks = [line for line in lines if line["encoding"] in encodings]
    counts = sorted({line["known"] for line in attacks})
    header = ["encoding", "seen by", "attack", "list", *(f"{count:,}" for count in counts)]
    rows = []
    groups = sorted({_group(line) for line in attacks}, key=lambda each: _order(each, encodings))
    for group in groups:
        mine = [line for line in attacks if _group(line) == group]
        cells = (_cell([line for line in mine if line["known"] == count]) for count in counts)
        name, holder, attack, kind, overlap = group
        rows.append([name, HOLDERS[holder], attack, f"{LISTS[kind]}, {overlap} %", *cells])
    if len(encodings) == 1:
        header, rows = header[1:], [row[1:] for row in rows]
    return _table(header, rows)


_Group = tuple[str, str, str, str, int]


def _group(line: Line) -> _Group:
    return line["encoding"], line["holder"], line["attack"], line["list"], line["overlap"]


def _order(group: _Group, encodings: Sequence[str]) -> tuple[int, int, bool, str, int, int]:
    name, holder, attack, kind, overlap = group
    places = encodings.index(name), list(HOLDERS).index(holder)
    return *places, attack == LEAKED_SECRET, attack, list(LISTS).index(kind), -overlap


def _cell(lines: Sequence[Line]) -> str:
    """What an attack came to, under one seed or several."""
    if not lines:
        return NOT_MEASURED
    ended = sorted(per_10000(line) for line in lines if line["finished"])
    if len(ended) < len(lines):
        given = max(line["given"] for line in lines if not line["finished"])
        return f"{NOT_FINISHED} in {given:,} s"
    return _range([f"{each:,}" for each in ended])


def _without_empty(header: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """A table without the columns in which nothing stands."""
    kept = [place for place in range(len(header)) if any(row[place] for row in rows)]
    return _table([header[place] for place in kept], [[row[place] for place in kept] for row in rows])


def _table(header: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    lines = [header, ["---"] * len(header), *rows]
    return "\n".join(f"| {' | '.join(cells)} |" for cells in lines)
