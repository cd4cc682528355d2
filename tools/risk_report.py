"""The tables of docs/privacy.md, made of the lines that `tools.risk` has measured. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence, Set
from typing import Any

Line = Mapping[str, Any]
Made = Mapping[str, Set[tuple[str, str]]]

# Who has the secret is told in a table of its own.
LEAKED_SECRET = "dictionary"  # noqa: S105 - the name of an attack
RECOGNISED_IN_SUMMARY, MOST_RECOGNISED = 30, 1_000
HOLDERS = {"matcher": "matcher", "key-issuer": "key issuer", "together": "together"}
LISTS = ("very file", "light", "heavy")
NOT_MEASURED, NOT_FINISHED = "", "no end"
NOT_ALL, NOT_ALL_MEASURED = "not all ended", "not all measured"
_ALL = 10_000


def section(lines: Sequence[Line], encodings: Sequence[str]) -> str:
    """All tables.

    Args:
        lines: what was measured.
        encodings: their names, in the order of the tables.
    """
    parts, made = [], attacks_made(lines)
    for size in sorted({line["size"] for line in lines}):
        some = [line for line in lines if line["size"] == size]
        parts += [
            f"### {size:,} records",
            "Of 10,000 people, the most that may be named at 95 % confidence, by the worst attack; and F1.",
            summary(some, encodings, made),
            "Every attack: of 10,000 people, how many it named.",
            details(some, encodings),
        ]
    return "\n\n".join(parts) or "Nothing is measured yet."


def attacks_made(lines: Iterable[Line]) -> Made:
    """Of each encoding, at any size, the attacks by people who recognise somebody: a figure is the worst of these."""
    made: dict[str, set[tuple[str, str]]] = {}
    for line in lines:
        if line["what"] == "attack" and line["known"]:
            made.setdefault(line["encoding"], set()).add((line["holder"], line["attack"]))
    return made


def summary(lines: Sequence[Line], encodings: Sequence[str], made: Made | None = None) -> str:
    """A row an encoding: quality, and the worst that each holder can do with the very file or with less.

    Args:
        lines: what was measured.
        encodings: their names, in order.
        made: the attacks that each figure must be of, or it says that not all were measured.
    """
    header = [
        "encoding", "F1, own threshold (light / heavy)", "F1, best Dice threshold (light / heavy)",
        *(f"{words}, very file, {RECOGNISED_IN_SUMMARY} recognised" for words in HOLDERS.values()),
        f"any, another office's list, {RECOGNISED_IN_SUMMARY} recognised",
        f"any, {MOST_RECOGNISED:,} recognised", "the secret leaked",
    ]  # fmt: skip
    rows = []
    for name in encodings:
        some = [line for line in lines if line["encoding"] == name]
        attacks = [line for line in some if line["what"] == "attack"]
        if some:
            rows.append(
                [
                    name,
                    _f1(some, "f1"),
                    _f1(some, "best_f1"),
                    *_worst_cells(attacks, (made or {}).get(name, set())),
                ]
            )
    return _table(header, rows)


def _worst_cells(attacks: Sequence[Line], made: Set[tuple[str, str]]) -> list[str]:
    judged = [line for line in attacks if line["attack"] != LEAKED_SECRET]
    counting = [line for line in judged if line["known"] <= RECOGNISED_IN_SUMMARY]
    return [
        *(
            _of_holder([line for line in counting if line["list"] == "very file"], holder, made)
            for holder in HOLDERS
        ),
        _of_holder([line for line in counting if line["list"] != "very file"], "together", made),
        _of_holder([line for line in judged if line["known"] == MOST_RECOGNISED], "together", made),
        _worst((line for line in attacks if line["attack"] == LEAKED_SECRET), what="named"),
    ]


def _of_holder(lines: Iterable[Line], holder: str, made: Set[tuple[str, str]]) -> str:
    """The worst that a holder can do, who sees no more than its part; the two together see all."""
    found = [line for line in lines if holder in (line["holder"], "together")]
    wanted = {each for each in made if holder in (each[0], "together")}
    lacking = wanted - {(line["holder"], line["attack"]) for line in found}
    return f"{_worst(found)}, {NOT_ALL_MEASURED}" if found and lacking else _worst(found)


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
    return round(10_000 * line["named"] / line["of"]) if line["of"] else 0


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


def details(lines: Sequence[Line], encodings: Sequence[str]) -> str:
    """A row an encoding and attack, a column for what the attacker knows."""
    attacks = [line for line in lines if line["what"] == "attack"]
    known = sorted(
        {_knowledge(line) for line in attacks}, key=lambda each: (LISTS.index(each[0]), -each[1], each[2])
    )
    header = [
        "encoding",
        "seen by",
        "attack",
        *(f"{name}, {overlap} %, {count:,}" for name, overlap, count in known),
    ]
    rows = []
    for name in encodings:
        some = [line for line in attacks if line["encoding"] == name]
        for holder, attack in sorted({(line["holder"], line["attack"]) for line in some}, key=_order):
            mine = [line for line in some if (line["holder"], line["attack"]) == (holder, attack)]
            cells = (_cell([line for line in mine if _knowledge(line) == each]) for each in known)
            rows.append([name, HOLDERS[holder], attack, *cells])
    return _table(header, rows)


def _knowledge(line: Line) -> tuple[str, int, int]:
    return line["list"], line["overlap"], line["known"]


def _order(attack: tuple[str, str]) -> tuple[int, bool, str]:
    holder, name = attack
    return list(HOLDERS).index(holder), name == LEAKED_SECRET, name


def _cell(lines: Sequence[Line]) -> str:
    """What an attack came to, under one seed or several."""
    if not lines:
        return NOT_MEASURED
    ended = sorted(per_10000(line) for line in lines if line["finished"])
    if len(ended) < len(lines):
        given = max(line["given"] for line in lines if not line["finished"])
        return f"{NOT_FINISHED} in {given:,} s"
    return _range([f"{each:,}" for each in ended])


def _table(header: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    lines = [header, ["---"] * len(header), *rows]
    return "\n".join(f"| {' | '.join(cells)} |" for cells in lines)
