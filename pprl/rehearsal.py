"""The whole protocol on one machine: every party in a folder of its own, every step a real command.

For people who want to see it, and for test files with known truth. Keys are made for the occasion. Nothing is taken
on trust from the inside: the steps below run the same `pprl` and `coordinator` programs that the parties would, and
hand over files as they would.
"""

from __future__ import annotations

import csv
import json
import os
import resource
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path
from typing import Any

from pprl import errors
from pprl.agreements.amend import with_keys, with_rehearsal_approvals
from pprl.crypto.derive import random_bytes
from pprl.crypto.key_file import parse_key_file
from pprl.errors import ConfigError, DisclosureError, PprlError, UsageError
from pprl.files.atomic import made_folder, read_secret_file, write_new
from pprl.files.tables import open_table
from pprl.protocol.agreement import AgreementFile, Dataset, Role, parse
from pprl.protocol.signatures import signatories
from pprl.scoring import Score, score
from pprl.sharing import file_name

Say = Callable[[str], None]

REPORT, PAGE = "report.json", "report.html"
EXPORTS = "run"

_COORDINATOR_ROLES: tuple[Role, ...] = ("matcher", "key-issuer")


@dataclass(slots=True)
class Rehearsal:
    """A rehearsal that is under way.

    Attributes:
        agreement: the agreement, with keys made for the occasion.
        data: the table of each dataset.
        folder: where everything is written.
        say: tells a person what happens.
        seconds: time taken so far, by stage.
        passphrases: each party's, made for the occasion and written nowhere.
    """

    agreement: AgreementFile
    data: Mapping[str, Path]
    folder: Path
    say: Say
    seconds: dict[str, float] = field(default_factory=dict)
    passphrases: dict[str, str] = field(default_factory=dict, repr=False)

    @property
    def agreement_path(self) -> Path:
        """The agreement that every party holds."""
        return self.folder / "agreement.toml"

    def home(self, party: str) -> Path:
        """A party's own folder."""
        return self.folder / "parties" / party

    def key(self, party: str) -> Path:
        """A party's key file."""
        return self.home(party) / f"{party}.key"

    @contextmanager
    def stage(self, name: str) -> Iterator[None]:
        """Time a stage."""
        started = time.monotonic()
        yield
        self.seconds[name] = round(time.monotonic() - started, 3)


def rehearse(
    text: str,
    data: Mapping[str, Path],
    *,
    truth: str | None,
    folder: Path,
    today: date,
    say: Say,
    keep_data: bool = False,
) -> dict[str, Any]:
    """Run the whole protocol on test files, and leave everything that each party would hold in `folder`.

    Args:
        text: the agreement; keys and approvals are put in for the occasion.
        data: the table of each dataset of the agreement.
        truth: a column of every table that names the person, used for scoring alone; never encoded.
        folder: a folder that does not exist, or is empty.
        today: the day.
        say: tells a person what happens.
        keep_data: whether to copy the tables to `folder`/data, for generated ones.

    Returns:
        The report, as written to `report.json`; `report.html` is the key issuer's own.

    Raises:
        DisclosureError: the key issuer refuses the release. `folder` then holds the two reports and nothing else.
        PprlError: whatever the refusing party's command raised; `folder` is then as it was.
    """
    started = time.monotonic()
    agreement = parse(text.encode(), where="The agreement")
    _require_all_data(agreement, data, truth)
    with _new_folder(folder):
        run = Rehearsal(agreement, _kept(data, folder) if keep_data else data, folder, say)
        make_keys(run, text, today)
        sign(run)
        make_secret(run)
        encode(run)
        match_and_issue(run)
        witness(run)
        refusal = release(run)
        if refusal is None:
            open_results(run)
            rates = tell_rates(run)
            report = {**_report(run, truth, started), **rates}
        else:
            report = {**_report(run, None, started), "refusal": refusal.message}
        _leave_reports(run, report)
        if refusal is None:
            destroy(run)
            audit(run)
        else:
            _empty(folder, but=(REPORT, PAGE))
    if refusal is not None:
        raise _saying_where(refusal, folder)
    return report


def make_keys(run: Rehearsal, text: str, today: date) -> None:
    """Every party makes an identity; the agreement gets their public keys."""
    with run.stage("keys"):
        parties = [party for party in run.agreement.content.party if run.agreement.content.has_work(party)]
        run.say(f"{len(parties)} parties each make a key, and put the public half into the agreement.")
        for party in parties:
            run.home(party.id).mkdir(mode=0o700, parents=True)
            run.passphrases[party.id] = random_bytes(16).hex()
        _together(
            lambda party: _run_as(
                run, party.id, _program(party.roles), "identity", "create", party.id, "-o", run.home(party.id)
            ),
            parties,
        )
        keys = {
            party.id: parse_key_file(read_secret_file(run.key(party.id)), where=party.id).public
            for party in parties
        }
        filled_in = with_rehearsal_approvals(with_keys(text, keys), today=today).encode()
        write_new(run.agreement_path, filled_in)
        run.agreement = parse(filled_in, where="agreement.toml")
        run.say(f"Agreement {run.agreement.sha256[:16]}...: everything below is bound to it.")


def sign(run: Rehearsal) -> None:
    """Every party signs the agreement, and each department compares its words with all the others."""
    with run.stage("sign"):
        everybody = [party.id for party in signatories(run.agreement.content)]
        departments = [party.id for party in run.agreement.content.party if "department" in party.roles]
        run.say("Each department commits to a share of the linkage secret; every party signs the agreement.")
        _together(lambda party: _with_key(run, party, "pprl", "secret", "commit"), departments)
        _together(lambda party: _sign(run, party), everybody)
        run.say("Each department compares the agreement's twelve words with all the others.")
        _together(lambda party: _compare_words(run, party, everybody), departments)


def make_secret(run: Rehearsal) -> None:
    """Each department seals its share to each other one and takes up theirs; the coordinator can't open any."""
    with run.stage("secret"):
        departments = [party.id for party in run.agreement.content.party if "department" in party.roles]
        run.say(
            "Each department seals its share to each other one; of all shares, each makes the same linkage secret."
        )
        _together(
            lambda party: _with_key(run, party, "pprl", "secret", "share", "-o", _sent(run, party)),
            departments,
        )
        _together(lambda party: _take_up_shares(run, party, departments), departments)


def encode(run: Rehearsal) -> None:
    """Each department encodes its datasets at home; it attacks them first, where the agreement limits attackers."""
    if run.agreement.content.privacy.risk is not None:
        with run.stage("risk"):
            run.say("Each department attacks its own encodings, and states whom that named.")
            _together(lambda dataset: _attack(run, dataset), run.agreement.content.dataset)
    with run.stage("encode"):
        _together(lambda dataset: _encode(run, dataset), run.agreement.content.dataset)


def match_and_issue(run: Rehearsal) -> None:
    """The coordinator's two roles receive, match and issue."""
    matcher = run.agreement.content.party_with("matcher").id
    issuer = run.agreement.content.party_with("key-issuer").id
    submissions = [_submission(run, dataset) for dataset in run.agreement.content.dataset]
    with run.stage("receive"):
        for party, role in {matcher: "matcher", issuer: "issuer" if issuer != matcher else "both"}.items():
            _coordinate(run, party, "init", "--role", role, "-k", run.key(party))
            _coordinate(run, party, "agreement", "register", run.agreement_path)
            _coordinate(run, party, "receive", *submissions)
            run.say(
                f"{party} verifies {len(submissions)} submissions; it can open only what is sealed to it."
            )
    if matcher == issuer:
        with run.stage("match"):
            run.say(f"{matcher} compares encodings and issues linkage keys.")
            _coordinate(run, matcher, "link")
    else:
        with run.stage("match"):
            run.say(f"{matcher} compares encodings. It sees no names, no record ids and no keys.")
            sealed = run.home(matcher) / "pairs.sealed"
            _coordinate(run, matcher, "match", "-o", sealed)
            _coordinate(run, issuer, "receive", sealed)
        with run.stage("issue"):
            run.say(f"{issuer} decides and gives every record a linkage key. It sees no encodings.")
            _coordinate(run, issuer, "issue")


def witness(run: Rehearsal) -> None:
    """The witnesses sign the coordinators' logs, each after it has seen that its log only grew."""
    with run.stage("witness"):
        watched = run.agreement.content.log
        run.say(f"{', '.join(watched.witnesses)} sign the coordinators' logs; {watched.quorum} must have.")
        for party in _coordinators(run):
            _witness(run, party)


def release(run: Rehearsal) -> DisclosureError | None:
    """The key issuer hands out the results; gives its reason if it refuses."""
    with run.stage("release"):
        try:
            _coordinate(run, _issuer(run), "release", "-o", run.folder / "results")
        except DisclosureError as refusal:
            return refusal
    return None


def open_results(run: Rehearsal) -> None:
    """Each department opens its linkage keys; the research environment opens the crosswalk."""
    results, keys = run.folder / "results", run.folder / "keys"
    keys.mkdir()
    with run.stage("open"):
        run.say("Each department opens the linkage keys of its own records.")
        _together(
            lambda dataset: _run_as(
                run, dataset.party,
                "pprl", "keys", "open", results / f"{dataset.name}.linkage-keys", "-a", run.agreement_path,
                "-k", run.key(dataset.party), "--map", _home_map(run, dataset), "-o", keys / f"{dataset.name}.csv",
            ),
            run.agreement.content.dataset,
        )  # fmt: skip
        research = run.agreement.content.release.crosswalk_to
        if research is not None:
            run.say(f"{research} opens the crosswalk between departments' keys.")
            _run_as(
                run, research,
                "pprl", "crosswalk", "open", results / "crosswalk", "-a", run.agreement_path,
                "-k", run.key(research), "-o", run.folder / "crosswalk.csv",
            )  # fmt: skip


def destroy(run: Rehearsal) -> None:
    """The coordinators destroy what they were sent, and their run keys; the witnesses sign that they logged it."""
    certificates = run.folder / "certificates"
    certificates.mkdir()
    with run.stage("destroy"):
        parties = _coordinators(run)
        run.say(f"{' and '.join(parties)} destroy what they were sent: no copy of it opens any more.")
        for party in parties:
            _coordinate(run, party, "destroy", "-o", certificates / f"{party}.certificate")
            _witness(run, party)


def tell_rates(run: Rehearsal) -> dict[str, Any]:
    """Where the agreement asks for it, departments hand over group tables, and the research environment tells rates."""
    if not run.agreement.content.release.rates_by:
        return {}
    with run.stage("rates"):
        run.say("Linkage rates by group are worked out where both the crosswalk and the groups are known.")
        tables = _together(lambda dataset: _groups(run, dataset), run.agreement.content.dataset)
        told = _run(
            "pprl", "research", "rates", "-a", run.agreement_path, "--crosswalk", run.folder / "crosswalk.csv",
            *(word for table in tables for word in ("--groups", table)), "-o", run.folder / "rates.csv", "--json",
        )  # fmt: skip
    return {"rates": json.loads(told)["datasets"]}


def audit(run: Rehearsal) -> None:
    """The coordinators export their logs, which witnesses have signed to the end, and an auditor verifies the run."""
    with run.stage("audit"):
        exports = [run.folder / EXPORTS / party for party in _coordinators(run)]
        (run.folder / EXPORTS).mkdir()
        _together(lambda export: _coordinate(run, export.name, "log", "export", "-o", export), exports)
        told = json.loads(_run("pprl", "verify", *exports, "-a", run.agreement_path, "--json"))
        passed = sum(check["result"] == "ok" for check in told["checks"])
        run.say(
            f"An auditor verifies the whole run from the logs, with public keys alone: {passed} checks passed."
        )


def _kept(data: Mapping[str, Path], folder: Path) -> dict[str, Path]:
    (folder / "data").mkdir()
    return {name: Path(shutil.copy(path, folder / "data")) for name, path in data.items()}


def _require_all_data(agreement: AgreementFile, data: Mapping[str, Path], truth: str | None) -> None:
    names = [dataset.name for dataset in agreement.content.dataset]
    if sorted(data) != sorted(names):
        raise UsageError(
            "Give the data of each dataset of the agreement, once.", hint=f"--data for: {', '.join(names)}."
        )
    for dataset in agreement.content.dataset:
        if truth in dataset.columns.values():
            raise ConfigError(f"The truth column is one of the columns that '{dataset.name}' encodes.")
        open_table(data[dataset.name], needed=[*dataset.columns.values(), *([truth] if truth else [])])


def _leave_reports(run: Rehearsal, report: Mapping[str, Any]) -> None:
    write_new(run.folder / REPORT, (json.dumps(report, indent=2) + "\n").encode())
    _coordinate(run, _issuer(run), "report", "-o", run.folder / PAGE)


def _saying_where(refusal: DisclosureError, folder: Path) -> DisclosureError:
    """The refusal, with where the reports are: one machine with test files may look into them."""
    return DisclosureError(
        refusal.message, hint=f"{refusal.hint} What was found is in {folder / PAGE} and {folder / REPORT}."
    )


@contextmanager
def _new_folder(folder: Path) -> Iterator[None]:
    """A folder that is there afterwards if all went well, and as it was before if not."""
    if folder.is_symlink():
        raise UsageError(f"{folder} is a symbolic link.", hint="Name a new folder, or an empty one itself.")
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise UsageError(f"{folder} exists and is not an empty folder.", hint="Name another one.")
    with made_folder(folder):
        try:
            yield
        except BaseException:
            _empty(folder)
            raise


def _empty(folder: Path, *, but: Collection[str] = ()) -> None:
    for path in folder.iterdir():
        if path.name in but:
            continue
        if path.is_dir() and not path.is_symlink():
            shutil.rmtree(path)
        else:
            path.unlink()


def _encode(run: Rehearsal, dataset: Dataset) -> None:
    made = _run_as(
        run, dataset.party,
        "pprl", "encode", run.data[dataset.name], "-a", run.agreement_path, "-k", run.key(dataset.party),
        "--dataset", dataset.name, "-o", _submission(run, dataset), "--map", _home_map(run, dataset),
        "--salts", _row_salts(run, dataset), "--json",
    )  # fmt: skip
    report = json.loads(made)
    run.say(
        f"{dataset.party} encodes {dataset.name}: {report['records']:,} records; "
        f"{report['values_that_break_a_rule']:,} values broke a rule."
    )


def _attack(run: Rehearsal, dataset: Dataset) -> None:
    _run_as(
        run, dataset.party,
        "pprl", "risk", run.data[dataset.name], "-a", run.agreement_path, "-k", run.key(dataset.party),
        "--dataset", dataset.name, "--required", "--budget", "1h", "--sign", "--json",
    )  # fmt: skip


def _groups(run: Rehearsal, dataset: Dataset) -> str:
    """A department's group table, as `research rates` takes it: NAME=FILE."""
    out = run.home(dataset.party) / f"{dataset.name}.groups.csv"
    _run(
        "pprl", "research", "groups", run.data[dataset.name], "-a", run.agreement_path,
        "--dataset", dataset.name, "--keys", run.folder / "keys" / f"{dataset.name}.csv", "-o", out,
    )  # fmt: skip
    return f"{dataset.name}={out}"


def _witness(run: Rehearsal, party: str) -> None:
    """A round of witnessing: requests go out, and signatures come back."""
    requests = run.home(party) / "witness-requests"
    _coordinate(run, party, "log", "checkpoint", "-o", requests, "--force")
    asked = sorted(requests.iterdir())

    def answered(request: Path) -> Path:
        answer = run.home(request.stem) / f"{party}.cosignature"
        _run_as(
            run, request.stem, "pprl", "log", "witness", request, "-a", run.agreement_path,
            "-k", run.key(request.stem), "-o", answer, "--force",
        )  # fmt: skip
        return answer

    if asked:
        _coordinate(run, party, "log", "cosign", *_together(answered, asked))


def _submission(run: Rehearsal, dataset: Dataset) -> Path:
    return run.home(dataset.party) / f"{dataset.name}.submission"


def _home_map(run: Rehearsal, dataset: Dataset) -> Path:
    return run.home(dataset.party) / f"{dataset.name}.home-map.csv"


def _row_salts(run: Rehearsal, dataset: Dataset) -> Path:
    return run.home(dataset.party) / f"{dataset.name}.row-salts"


def _store(run: Rehearsal, party: str) -> Path:
    return run.home(party) / "store"


def _coordinators(run: Rehearsal) -> list[str]:
    """The parties that hold the coordinator's roles: two, or one that holds both."""
    return list(dict.fromkeys(run.agreement.content.party_with(role).id for role in _COORDINATOR_ROLES))


def _issuer(run: Rehearsal) -> str:
    return run.agreement.content.party_with("key-issuer").id


def _program(roles: Sequence[str]) -> str:
    return "coordinator" if set(roles) & set(_COORDINATOR_ROLES) else "pprl"


def _together(work: Callable[[Any], Any], items: Sequence[Any]) -> list[Any]:
    """Do the same for several parties at once: the work is in their processes."""
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        return list(pool.map(work, items))


def _coordinate(run: Rehearsal, party: str, *arguments: str | Path) -> str:
    """Run a command of the coordinator on a party's store."""
    return _run_as(run, party, "coordinator", *arguments, "--store", _store(run, party))


def _sign(run: Rehearsal, party: str) -> None:
    program = _program(run.agreement.content.party_named(party).roles)
    _run_as(run, party, program, "agreement", "sign", run.agreement_path, "-k", run.key(party))


def _compare_words(run: Rehearsal, party: str, everybody: Sequence[str]) -> None:
    heard = [word for other in everybody if other != party for word in ("--heard-from", other)]
    _run_as(run, party, "pprl", "agreement", "verify", run.agreement_path, "-k", run.key(party), *heard)


def _take_up_shares(run: Rehearsal, party: str, departments: Sequence[str]) -> None:
    shares = [_sent(run, other) / file_name(other, party) for other in departments if other != party]
    _with_key(run, party, "pprl", "secret", "accept", *shares)


def _sent(run: Rehearsal, party: str) -> Path:
    return run.home(party) / "sent"


def _with_key(run: Rehearsal, party: str, program: str, *words: str | Path) -> str:
    return _run_as(run, party, program, *words, "-a", run.agreement_path, "-k", run.key(party))


def _run_as(run: Rehearsal, party: str, program: str, *arguments: str | Path) -> str:
    """Run a command that opens a party's key file: the passphrase goes through a pipe, which only it can read."""
    readable, writable = os.pipe()
    try:
        with os.fdopen(writable, "w", encoding="ascii") as pipe:
            pipe.write(run.passphrases[party] + "\n")
        return _run(program, *arguments, "--passphrase-fd", str(readable), descriptors=(readable,))
    finally:
        os.close(readable)


def _run(program: str, *arguments: str | Path, descriptors: tuple[int, ...] = ()) -> str:
    """Run a party's command; gives its stdout.

    Raises:
        PprlError: what the command itself raised, by its exit status.
    """
    command = [sys.executable, "-m", program, *map(str, arguments)]
    environment = {**os.environ, "PPRL_ERRORS": "json"}
    done = subprocess.run(  # noqa: S603 - our own programs
        command, capture_output=True, text=True, check=False, env=environment, pass_fds=descriptors
    )
    if done.returncode == 0:
        return done.stdout
    raise _error_of(f"{program} {arguments[0]}", done)


def _error_of(step: str, done: subprocess.CompletedProcess[str]) -> PprlError:
    try:
        told = json.loads(done.stderr.strip().splitlines()[-1])["error"]
    except (ValueError, IndexError, KeyError, TypeError):
        return PprlError(f"'{step}' failed with exit status {done.returncode}.", hint=done.stderr.strip())
    findings = tuple(errors.Finding(**finding) for finding in told["findings"])
    kind = errors.BY_CODE.get(told["code"], PprlError)
    return kind(f"{step}: {told['message']}", hint=told["hint"], findings=findings)


def _report(run: Rehearsal, truth: str | None, started: float) -> dict[str, Any]:
    told: dict[str, Any] = json.loads(_coordinate(run, _issuer(run), "issue", "--json"))
    for internal in ("results", "seconds"):
        told.pop(internal)
    if truth is not None:
        told |= _scored(run, truth)
    run.seconds["total"] = round(time.monotonic() - started, 3)
    return {
        **told,
        "linkage_keys": run.agreement.content.release.linkage_keys,
        "seconds": dict(run.seconds),  # what comes after the report is not in it
        "peak_memory_bytes": resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss * 1024,
    }


def _scored(run: Rehearsal, truth: str) -> dict[str, float | None]:
    if run.agreement.content.release.crosswalk_to is None:
        return {"precision": None, "recall": None, "f1": None}
    people = _people(run.folder / "crosswalk.csv")
    found, known = [], []
    for dataset in run.agreement.content.dataset:
        truths = _truths(run.data[dataset.name], dataset, truth)
        with (run.folder / "keys" / f"{dataset.name}.csv").open(newline="") as file:
            rows = [(row["record_id"], row["linkage_key"]) for row in csv.DictReader(file)]
        found.append([people.get(key, key) for _, key in rows])
        known.append(
            [truths[record_id] or f"nobody else {dataset.name} {record_id}" for record_id, _ in rows]
        )
    duplicates = [dataset.may_have_duplicates for dataset in run.agreement.content.dataset]
    scored: Score = score(found, known, duplicates)
    return {"precision": scored.precision, "recall": scored.recall, "f1": scored.f1}


def _people(crosswalk: Path) -> dict[str, str]:
    """The person of each linkage key that is in the crosswalk."""
    with crosswalk.open(newline="") as file:
        rows = csv.reader(file)
        next(rows)
        return {key: person for person, *keys in rows for key in keys if key}


def _truths(path: Path, dataset: Dataset, truth: str) -> dict[str, str]:
    table = open_table(path, needed=[truth])
    columns = [truth, *([dataset.record_id_column] if dataset.record_id_column else [])]
    found: dict[str, str] = {}
    for batch in table.batches(columns):
        people = batch.columns[truth]
        ids = (
            batch.columns[dataset.record_id_column]
            if dataset.record_id_column
            else [str(batch.first_row + offset) for offset in range(len(people))]
        )
        found.update(zip(ids, people, strict=True))
    return found


def summary(report: Mapping[str, Any], folder: Path) -> str:
    """The report in words that need no statistician."""
    records = report["records"]
    lines = [
        "",
        "What happened",
        f"  {sum(records.values()):,} records of {len(records)} datasets were compared without anybody seeing a name.",
        f"  {report['linked_people']:,} people were found in more than one dataset.",
        *_keys_lines(report["linkage_keys"]),
        "",
        "How good the links are",
        _quality_line(
            "Links that are right", report.get("precision"), report["estimated_precision"]["value"]
        ),
        _quality_line("Links that were found", report.get("recall"), report["estimated_recall"]["value"]),
    ]
    if report.get("f1") is not None:
        lines.append(f"  F1 (both together): {report['f1']:.4f}")
    lines += _differences_lines(report.get("rates", {}))
    lines += [
        "",
        "What it took",
        f"  {report['seconds']['total']:.0f} seconds; "
        f"at most {report['peak_memory_bytes'] / 1e6:,.0f} MB in one process.",
        "",
        f"Look around in {folder}: parties/ holds what each party holds, keys/ and crosswalk.csv the results,",
        "certificates/ says what the coordinators destroyed, and report.html shows what the links rest on.",
        "Verify the run as an auditor would:",
        f"pprl verify {folder}/{EXPORTS}/* -a {folder}/agreement.toml",
    ]
    return "\n".join(lines)


def _keys_lines(linkage_keys: str) -> list[str]:
    """What a department can tell from its linkage keys, which the agreement decides."""
    got = "  Every record got a linkage key, matched or not: no department can tell which of its people"
    if linkage_keys == "per-record":
        return [f"{got} matched."]
    return [
        f"{got} another knows.",
        "  A department's own records that resemble each other share a key, as the agreement says (per-person).",
    ]


def _differences_lines(rates: Mapping[str, Any]) -> list[str]:
    """The largest difference between shown groups, by dataset and grouping."""
    lines = [
        f"  {dataset}, by {grouping}: {told['difference']['points']:.1f} points more of "
        f"'{told['difference']['highest']}' than of '{told['difference']['lowest']}'."
        for dataset, each in rates.items()
        for grouping, told in each["by"].items()
        if told["difference"]
    ]
    return (
        ["", "Whose records were linked most and least often (rates.csv has them all)", *lines]
        if lines
        else []
    )


def _quality_line(what: str, true: float | None, estimated: float | None) -> str:
    parts = [
        f"{true:.2%} in truth" if true is not None else "",
        f"estimated without the truth as {estimated:.2%}" if estimated is not None else "",
    ]
    return f"  {what}: {', '.join(part for part in parts if part) or 'not known'}"
