"""Writes vectors.json again. ML-DSA-65 is randomised, so every run gives other signatures.

Run by hand, and only for a new version of the format: python -m tests.conformance.log.make_vectors.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from tests.conformance.log import second_writer as writer
from tests.conformance.log.second_writer import Signer

TEXT = "# An agreement: what is in it does not matter here.\n"
AGREEMENT = hashlib.sha256(TEXT.encode()).hexdigest()
OTHER = "a" * 64
MATCHER, ISSUER = Signer("office", 1), Signer("issuer", 11)
NORTH, SOUTH, EAST = Signer("north", 21), Signer("south", 31), Signer("east", 41)
STRANGER = Signer("stranger", 51)
ROLES = {
    "north": ["department"],
    "south": ["department"],
    "east": ["department"],
    "office": ["matcher"],
    "issuer": ["key-issuer"],
}
TIME = 1_795_365_271


def at(second: int) -> str:
    return f"2026-11-22T16:34:{second:02}Z"


def container(kind: str, sender: str, recipient: str, dataset: str = "") -> dict[str, str]:
    return {
        "dataset": dataset, "head_sha256": "1" * 64, "kind": kind, "recipient": recipient, "sender": sender,
        "sha256": "2" * 64,
    }  # fmt: skip


def detail(kind: str) -> dict[str, Any]:
    return {
        "registered": {"version": 1, "signatures": {"north": "3" * 64}},
        "received": {
            "container": container("encodings", "north", "office", "events"), "submission": "4" * 32,
            "key_check": "5" * 32, "confirmation": "6" * 64, "rows_root": "7" * 64,
        },
        "relayed": {"container": container("secret-share", "north", "south")},
        "matched": {"container": container("pairs", "office", "issuer"), "inputs": ["1" * 64, "8" * 64]},
        "issued": {
            "inputs": ["1" * 64],
            "results": {"events.linkage-keys": container("linkage-keys", "issuer", "north", "events")},
            "summary_sha256": "9" * 64, "refusal": "",
        },
        "refused": {"reason": "Fewer people were linked than agreed."},
        "released": {"results": {"events.linkage-keys": "2" * 64}},
        "reseal-requested": {"party": "north", "request_sha256": "b" * 64},
        "destroyed": {"certificate_sha256": "c" * 64},
    }[kind]  # fmt: skip


PLACES = {
    "registered": ("", ""),
    "received": ("matcher", "collecting"),
    "relayed": ("", ""),
    "matched": ("matcher", "matched"),
    "issued": ("key-issuer", "issued"),
    "refused": ("key-issuer", ""),
    "released": ("key-issuer", "released"),
    "reseal-requested": ("", ""),
    "destroyed": ("", ""),
}


def entry(
    kind: str, second: int = 0, role: str | None = None, stage: str | None = None, **changes: Any
) -> str:
    usual_role, usual_stage = PLACES[kind]
    return writer.entry(
        AGREEMENT, at(second), kind, {**detail(kind), **changes},
        usual_role if role is None else role, usual_stage if stage is None else stage,
    )  # fmt: skip


def references() -> dict[str, Any]:
    return {"container": container("references", "north", "office", "events"), "submission": "4" * 32}


def accepted_entries() -> Iterator[dict[str, Any]]:
    for kind in PLACES:
        yield {"name": kind, "entry": entry(kind)}
    without = writer.entry(AGREEMENT, at(1), "received", references(), "key-issuer", "complete")
    yield {"name": "references received", "entry": without}
    yield {"name": "encodings with a risk statement", "entry": entry("received", risk_sha256="d" * 64)}
    yield {"name": "nobody's signatures", "entry": entry("registered", signatures={})}
    yield {"name": "a refused release", "entry": entry("issued", refusal="Too few people.")}


def refused_entries() -> Iterator[dict[str, Any]]:
    usual = json.loads(entry("received"))

    def with_members(**changes: Any) -> str:
        return json.dumps({**usual, **changes}, sort_keys=True, separators=(",", ":"))

    def with_container(**changes: str) -> str:
        changed = {**usual["detail"], "container": {**usual["detail"]["container"], **changes}}
        return with_members(detail=changed)

    yield {"name": "not JSON", "entry": "received"}
    yield {"name": "a list", "entry": "[]"}
    yield {"name": "white space", "entry": entry("received").replace(",", ", ", 1)}
    yield {"name": "a line feed at its end", "entry": entry("received") + "\n"}
    yield {"name": "a name twice", "entry": entry("received").replace('"at":', '"at":"x","at":', 1)}
    yield {"name": "another format", "entry": with_members(format="pprl-log")}
    yield {"name": "another version", "entry": with_members(version=2)}
    yield {"name": "version true", "entry": with_members(version=True)}
    yield {"name": "a member more", "entry": with_members(records=3)}
    yield {"name": "capitals in a digest", "entry": with_members(agreement_sha256="A" * 64)}
    yield {"name": "a kind that is none", "entry": with_members(kind="forgotten")}
    yield {"name": "a role that is none", "entry": with_members(role="department")}
    yield {"name": "a role that is a list", "entry": with_members(role=["matcher"])}
    yield {"name": "a stage of another kind", "entry": with_members(stage="matched")}
    yield {"name": "no stage where there is one", "entry": with_members(stage="")}
    yield {"name": "a stage where there is none", "entry": entry("relayed", stage="collecting")}
    yield {"name": "a role where there is none", "entry": entry("registered", role="matcher")}
    yield {"name": "matched by the key issuer", "entry": entry("matched", role="key-issuer")}
    yield {"name": "a time without its zone", "entry": with_members(at="2026-11-22T16:34:31")}
    yield {"name": "a time that never was", "entry": with_members(at="2026-02-30T16:34:31Z")}
    yield {"name": "a time in another spelling", "entry": with_members(at="2026-11-22 16:34:31Z")}
    yield {"name": "no time", "entry": with_members(at=1795365271)}
    yield {"name": "detail is a list", "entry": with_members(detail=[])}
    yield {
        "name": "encodings without their key check",
        "entry": with_members(detail=references() | {"container": usual["detail"]["container"]}),
    }
    yield {"name": "references with a key check", "entry": with_container(kind="references")}
    yield {"name": "a container without a sender", "entry": with_container(sender="")}
    yield {"name": "a container's short digest", "entry": with_container(sha256="2" * 63)}
    yield {"name": "a container with a member more", "entry": with_container(records="3")}
    yield {"name": "a submission of another length", "entry": entry("received", submission="4" * 31)}
    yield {"name": "no confirmation", "entry": entry("received", confirmation="")}
    yield {"name": "no commitment to rows", "entry": entry("received", rows_root="")}
    yield {"name": "a risk statement that is no digest", "entry": entry("received", risk_sha256="")}
    yield {"name": "a risk statement in capitals", "entry": entry("received", risk_sha256="D" * 64)}
    with_references = {**references(), "risk_sha256": "d" * 64}
    yield {
        "name": "references with a risk statement",
        "entry": writer.entry(AGREEMENT, at(1), "received", with_references, "key-issuer", "complete"),
    }
    yield {"name": "inputs out of order", "entry": entry("matched", inputs=["8" * 64, "1" * 64])}
    yield {"name": "an input twice", "entry": entry("matched", inputs=["1" * 64, "1" * 64])}
    yield {"name": "a result's name leads elsewhere", "entry": entry("released", results={"../a": "2" * 64})}
    yield {"name": "no reason", "entry": entry("refused", reason="")}
    yield {"name": "a reason of many words", "entry": entry("refused", reason="x" * 1001)}
    yield {"name": "version 0 registered", "entry": entry("registered", version=0)}
    yield {"name": "a signature that is no digest", "entry": entry("registered", signatures={"north": ""})}
    yield {"name": "a count", "entry": entry("matched", pairs=3)}


HISTORY = [
    entry("registered", 0),
    entry("relayed", 1),
    entry("received", 2),
    entry("received", 3, stage="complete"),
    entry("matched", 4),
]
LEAVES = writer.leaves(HISTORY)


def histories() -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    issuing = [
        entry("registered"),
        entry("received", 1, role="key-issuer", stage="complete"),
        entry("issued", 2),
        entry("refused", 3),
        entry("released", 4),
        entry("destroyed", 5),
    ]
    both = [*HISTORY, *(each.replace("16:34", "16:35") for each in issuing[1:])]
    other = [HISTORY[0], HISTORY[1].replace(AGREEMENT, OTHER)]
    accepted = [
        ("a matcher's", HISTORY),
        ("a key issuer's", issuing),
        ("of both roles", both),
        ("nothing yet", []),
    ]
    refused = [
        ("no registration", HISTORY[1:]),
        ("two registrations", [HISTORY[0], *HISTORY]),
        ("another agreement", other),
        ("time runs back", [HISTORY[0], entry("relayed", 5), *HISTORY[2:]]),
        ("an entry left out", [*HISTORY[:3], HISTORY[4]]),
        ("matched twice", [*HISTORY, HISTORY[4]]),
        ("received when complete", [*HISTORY[:4], entry("received", 4)]),
        ("refused before it is issued", [*issuing[:2], issuing[3]]),
        ("refused after the release", [*issuing[:3], issuing[4], entry("refused", 5)]),
        ("released before it is issued", [*issuing[:2], issuing[4]]),
        ("the other role's stage", [*HISTORY[:4], entry("issued", 5)]),
        ("something after the end", [*issuing, entry("relayed", 6)]),
    ]
    return (
        [{"name": name, "entries": entries} for name, entries in accepted],
        [{"name": name, "entries": entries} for name, entries in refused],
    )


def text(
    size: int = 5, *, agreement: str = AGREEMENT, party: str = "office", root: bytes | None = None
) -> bytes:
    return writer.text(agreement, party, size, root or writer.root(LEAVES[:size]))


USUAL = text()
LOG = MATCHER.as_log(USUAL)
WITNESSES = {each.name: each.as_witness(USUAL, TIME) for each in (NORTH, SOUTH, EAST)}


def signed(text: bytes, *witnesses: Signer, by: Signer = MATCHER) -> str:
    lines = [line for each in witnesses for line in each.as_witness(text, TIME)]
    return writer.note(text, *by.as_log(text), *lines)


def accepted_checkpoints() -> Iterator[dict[str, Any]]:
    def vector(name: str, note: str, witnesses: list[str], *, quorum: bool) -> dict[str, Any]:
        return {"name": name, "note": note, "witnesses": witnesses, "quorum": quorum}

    north, south = WITNESSES["north"], WITNESSES["south"]
    yield vector(
        "signed by two witnesses", writer.note(USUAL, *LOG, *north, *south), ["north", "south"], quorum=True
    )
    yield vector("by nobody else yet", writer.note(USUAL, *LOG), [], quorum=False)
    yield vector(
        "in another order",
        writer.note(USUAL, *south, *LOG[::-1], *north[::-1]),
        ["north", "south"],
        quorum=True,
    )
    yield vector(
        "half of a witness's signature", writer.note(USUAL, *LOG, *north, south[0]), ["north"], quorum=False
    )
    yield vector("the other half", writer.note(USUAL, *LOG, *north, south[1]), ["north"], quorum=False)
    yield vector(
        "a stranger's signature",
        writer.note(USUAL, *LOG, *north, *STRANGER.as_witness(USUAL, TIME)),
        ["north"],
        quorum=False,
    )
    under_another_name = NORTH.as_witness(USUAL, TIME, name="south")
    yield vector(
        "one witness under two names",
        writer.note(USUAL, *LOG, *north, *under_another_name),
        ["north"],
        quorum=False,
    )
    by_the_log = writer.note(USUAL, *LOG, *north, *MATCHER.as_witness(USUAL, TIME)[:1])
    yield vector("the log as its own witness", by_the_log, ["north"], quorum=False)
    yield vector("an empty log", signed(text(0)), [], quorum=False)
    yield vector("the key issuer's log", signed(text(party="issuer"), by=ISSUER), [], quorum=False)


def refused_checkpoints() -> Iterator[dict[str, Any]]:
    def vector(name: str, refusal: str, note: str) -> dict[str, Any]:
        return {"name": name, "refusal": refusal, "note": note}

    usual = writer.note(USUAL, *LOG)
    root = writer.hashes([writer.root(LEAVES)])[0]
    yield vector("cut short", "format", usual[:-1])
    yield vector("no signatures", "format", writer.note(USUAL))
    yield vector("no empty line", "format", USUAL.decode() + "".join(LOG))
    yield vector("a carriage return", "format", usual.replace("\n", "\r\n", 1))
    yield vector("a hyphen for a dash", "format", usual.replace("—", "-", 1))
    yield vector("a signature line twice", "format", writer.note(USUAL, *LOG, LOG[0]))
    yield vector("another signature of one key", "format", writer.note(USUAL, *LOG, MATCHER.as_log(USUAL)[1]))
    yield vector("a plus sign in a name", "format", usual.replace("— office", "— off+ice"))
    yield vector("a signature of nothing", "format", writer.note(USUAL, *LOG, "— north AAAAAA==\n"))
    yield vector("spare bits", "format", writer.note(USUAL, *LOG, "— north AAAAAAE=\n".replace("E=", "F=")))
    yield vector(
        "65 signature lines",
        "format",
        writer.note(USUAL, *(f"— n{number} AAAAAAA=\n" for number in range(65))),
    )
    extended = USUAL + b"more\n"
    yield vector("an extension line", "format", writer.note(extended, *MATCHER.as_log(extended)))
    for name, old, new in (
        ("a size with a zero in front", b"\n5\n", b"\n05\n"),
        ("a size that is none", b"\n5\n", b"\n-5\n"),
        ("a size beyond all logs", b"\n5\n", b"\n9007199254740992\n"),
        ("a short root", root.encode(), b"AAAA"),
        ("another first line", b"pprl-protocol/", b"pprl-protocol/x/"),
    ):
        changed = USUAL.replace(old, new)
        yield vector(name, "format", writer.note(changed, *MATCHER.as_log(changed)))
    empty = text(0, root=writer.root(LEAVES))
    yield vector("an empty log's root is another's", "format", writer.note(empty, *MATCHER.as_log(empty)))
    for name, changed, by in (
        ("about another agreement", text(agreement=OTHER), MATCHER),
        ("a department's log", text(party="north"), NORTH),
        ("a stranger's log", text(party="stranger"), STRANGER),
        ("signed by the other coordinator", USUAL, ISSUER),
    ):
        yield vector(name, "verification", writer.note(changed, *by.as_log(changed)))
    longer = text(4)
    yield vector("another size than was signed", "verification", writer.note(longer, *LOG))
    yield vector("without ML-DSA-65", "verification", writer.note(USUAL, LOG[0]))
    yield vector("without Ed25519", "verification", writer.note(USUAL, LOG[1]))
    yield vector(
        "signed as a container",
        "verification",
        writer.note(USUAL, *MATCHER.as_log(USUAL, context=b"pprl/v1/container")),
    )
    yield vector(
        "signed as a witness only", "verification", writer.note(USUAL, *MATCHER.as_witness(USUAL, TIME))
    )
    yield vector(
        "a witness's signature of another checkpoint",
        "verification",
        writer.note(USUAL, *LOG, *NORTH.as_witness(longer, TIME)),
    )
    yield vector(
        "a witness's two times",
        "verification",
        writer.note(USUAL, *LOG, *NORTH.as_witness(USUAL, TIME, second_time=TIME + 1)),
    )
    yield vector("a witness's time 0", "verification", writer.note(USUAL, *LOG, *NORTH.as_witness(USUAL, 0)))


def accepted_receipts() -> Iterator[dict[str, Any]]:
    note = writer.note(USUAL, *LOG, *WITNESSES["north"], *WITNESSES["east"])
    for index in (0, 4):
        proof = writer.path(index, LEAVES)
        yield {
            "name": f"of entry {index}",
            "index": index,
            "receipt": writer.receipt(HISTORY[index], index, proof, note),
        }
    alone = text(1)
    yield {
        "name": "of a log of one entry",
        "index": 0,
        "receipt": writer.receipt(HISTORY[0], 0, [], signed(alone, NORTH, SOUTH)),
    }


def refused_receipts() -> Iterator[dict[str, Any]]:
    def vector(name: str, refusal: str, receipt: str) -> dict[str, Any]:
        return {"name": name, "refusal": refusal, "receipt": receipt}

    note = writer.note(USUAL, *LOG, *WITNESSES["north"], *WITNESSES["south"])
    proof = writer.path(2, LEAVES)
    usual = writer.receipt(HISTORY[2], 2, proof, note)
    yield vector("another first line", "format", usual.replace("@v1", "@v2", 1))
    yield vector(
        "no entry", "format", "\n".join(line for line in usual.split("\n") if not line.startswith("extra "))
    )
    yield vector("an empty entry", "format", writer.receipt("", 2, proof, note))
    yield vector("an index with a zero in front", "format", usual.replace("index 2", "index 02"))
    yield vector("a short hash", "format", writer.receipt(HISTORY[2], 2, [proof[0][:31], *proof[1:]], note))
    yield vector("64 hashes", "format", writer.receipt(HISTORY[2], 2, proof * 22, note)[:9_000])
    yield vector("an entry that is none", "format", foreign("not an entry"))
    yield vector("another index", "verification", writer.receipt(HISTORY[2], 3, proof, note))
    yield vector("an index behind the end", "verification", writer.receipt(HISTORY[2], 5, proof, note))
    yield vector("another entry", "verification", writer.receipt(HISTORY[3], 2, proof, note))
    yield vector("a hash too few", "verification", writer.receipt(HISTORY[2], 2, proof[:-1], note))
    yield vector("a hash too many", "verification", writer.receipt(HISTORY[2], 2, [*proof, proof[0]], note))
    yield vector(
        "no quorum",
        "verification",
        writer.receipt(HISTORY[2], 2, proof, writer.note(USUAL, *LOG, *WITNESSES["north"])),
    )
    halves = writer.note(USUAL, *LOG, *WITNESSES["north"], WITNESSES["south"][0], WITNESSES["east"][1])
    yield vector("two halves make no witness", "verification", writer.receipt(HISTORY[2], 2, proof, halves))
    yield vector(
        "an entry about another agreement", "verification", foreign(HISTORY[0].replace(AGREEMENT, OTHER))
    )


def foreign(entry: str) -> str:
    """A receipt in which all is right but the entry."""
    hashes = writer.leaves([entry])
    return writer.receipt(entry, 0, [], signed(text(1, root=writer.root(hashes)), NORTH, SOUTH))


def seen(size: int, root: bytes | None = None) -> dict[str, Any]:
    return {"size": size, "root": (root or writer.root(LEAVES[:size])).hex()}


def accepted_requests() -> Iterator[dict[str, Any]]:
    note = writer.note(USUAL, *LOG)
    yield {"name": "the first one", "last": None, "request": writer.request(0, [], note)}
    yield {
        "name": "the log grew",
        "last": seen(3),
        "request": writer.request(3, writer.grown(3, LEAVES), note),
    }
    yield {
        "name": "the same again",
        "last": seen(5),
        "request": writer.request(3, writer.grown(3, LEAVES), note),
    }


def refused_requests() -> Iterator[dict[str, Any]]:
    def vector(name: str, refusal: str, last: Any, request: str) -> dict[str, Any]:
        return {"name": name, "refusal": refusal, "last": last, "request": request}

    note = writer.note(USUAL, *LOG)
    proof = writer.grown(3, LEAVES)
    yield vector("no old size", "format", seen(3), writer.request(3, proof, note).replace("old 3", "new 3"))
    yield vector("a hash that is none", "format", seen(3), writer.request(3, [b"short"], note))
    yield vector("no checkpoint", "format", seen(3), writer.request(3, proof, ""))
    yield vector("another past", "verification", seen(3, b"\1" * 32), writer.request(3, proof, note))
    yield vector("no proof", "verification", seen(3), writer.request(3, [], note))
    yield vector("a proof of too much", "verification", None, writer.request(0, proof, note))
    yield vector("the log became shorter", "verification", seen(9, b"\1" * 32), writer.request(9, [], note))
    yield vector(
        "the same size with another root", "verification", seen(5, b"\1" * 32), writer.request(5, [], note)
    )
    yield vector(
        "not signed by the log",
        "verification",
        None,
        writer.request(0, [], writer.note(USUAL, *ISSUER.as_log(USUAL))),
    )
    yield vector("it starts elsewhere", "protocol", seen(2), writer.request(3, proof, note))
    yield vector("it starts after nothing", "protocol", None, writer.request(3, proof, note))


def main() -> None:
    accepted_histories, refused_histories = histories()
    parties = (NORTH, SOUTH, EAST, MATCHER, ISSUER)
    vectors = {
        "agreement": {
            "text": TEXT, "sha256": AGREEMENT, "roles": ROLES, "witnesses": ["north", "south", "east"], "quorum": 2,
            "keys": {each.name: each.keys for each in parties},
        },
        "log": "office",
        "entries": {"accepted": list(accepted_entries()), "refused": list(refused_entries())},
        "histories": {"accepted": accepted_histories, "refused": refused_histories},
        "checkpoints": {"accepted": list(accepted_checkpoints()), "refused": list(refused_checkpoints())},
        "receipts": {"accepted": list(accepted_receipts()), "refused": list(refused_receipts())},
        "requests": {"accepted": list(accepted_requests()), "refused": list(refused_requests())},
    }  # fmt: skip
    Path(__file__).with_name("vectors.json").write_text(json.dumps(vectors, indent=1) + "\n", "utf-8")


if __name__ == "__main__":
    main()
