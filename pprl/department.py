"""What a department does, one function a step, in the order of docs/protocol.md.

Each function takes everything it needs and gives back values; reading and writing files is left to the
commands, except where a table is streamed. Time and randomness come from the commands as well.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO, cast

from pprl.crypto import at_rest, derive, risk_statements
from pprl.crypto.exchange import Signatory, open_from, require_as_bound, require_mine, seal_for, seal_into
from pprl.crypto.identity import Identity
from pprl.crypto.notes import require_issued
from pprl.crypto.risk_statements import StatedRisk
from pprl.encode import ceremony, encoder, row_commitments
from pprl.encode import groups as encode_groups
from pprl.encode.encoder import Encoding, Survey
from pprl.encode.linkage_secret import LinkageSecret
from pprl.encode.payloads import Progress, untold
from pprl.encode.row_commitments import RowSalts
from pprl.errors import ConfigError, DataError, DisclosureError, Finding, FormatError, VerificationError
from pprl.files import fields
from pprl.files.csv_writer import write_csv
from pprl.files.holdings import RiskFiles
from pprl.files.tables import Table, open_table
from pprl.privacy import usual
from pprl.protocol import crosswalk, framing, linkage_keys, row_proofs, secret_shares, submission
from pprl.protocol.agreement import Agreement, AgreementFile, Dataset, Role
from pprl.protocol.crosswalk import Crosswalk
from pprl.protocol.groups import KEY_COLUMN
from pprl.protocol.linkage_keys import LinkageKeys, is_linkage_key
from pprl.protocol.risk_statement import judge
from pprl.protocol.secret_shares import SecretShares
from pprl.protocol.transcript import SHARE_KIND

if TYPE_CHECKING:
    from pprl.privacy.battery import Risk

HOME_MAP_HEADER = ("handle", "record_id")
JOINED_HEADER = ("record_id", "person")
ROW_SALTS_KIND = "row-salts"
KEYS_HEADER = ("record_id", KEY_COLUMN)
CHANGES_HEADER = ("record_id", f"previous_{KEY_COLUMN}", KEY_COLUMN)

Seen = Callable[[int], None]


@dataclass(frozen=True, slots=True)
class SealedSubmission:
    """What `encode_and_seal` makes: the file to send, the map and the row salts to keep, and the counts to look at."""

    file: bytes
    home_map: bytes
    row_salts: bytes
    survey: Survey
    submission: str
    carried: Carried | None = None


@dataclass(frozen=True, slots=True)
class Outputs:
    """Where encoding writes; nobody may see any of it before the last byte is there.

    Attributes:
        file: the submission; empty and seekable.
        home_map: stays at home.
        row_salts: stay at home.
    """

    file: BinaryIO
    home_map: BinaryIO
    row_salts: BinaryIO


@dataclass(frozen=True, slots=True)
class Encoded:
    """What is told of a submission that was written: counts to look at."""

    survey: Survey
    submission: str
    carried: Carried | None = None


@dataclass(frozen=True, slots=True)
class Carried:
    """How a table's records stand to the linkage keys of last time.

    Attributes:
        offered: records whose earlier key is offered to the key issuer.
        new: records without an earlier key.
        withdrawn: record ids that had a key and are no longer in the table: nothing of them is sent.
    """

    offered: int
    new: int
    withdrawn: int


@dataclass(frozen=True, slots=True)
class Changes:
    """What became of the linkage keys of last time.

    Attributes:
        kept: records that have the key that they had.
        new: records that had none.
        withdrawn: record ids that had one and were not sent.
        changed: record id, earlier key and key of each record that got another one.
    """

    kept: int
    new: int
    withdrawn: int
    changed: tuple[tuple[str, str, str], ...] = field(repr=False)


def dataset_for(agreement: Agreement, party: str, name: str | None) -> Dataset:
    """The dataset that a department means: the named one, or its only one.

    Raises:
        ConfigError: it brings none, or several and none is named, or the named one is another's.
    """
    own = agreement.datasets_of(party)
    names = ", ".join(each.name for each in own) or "none"
    if name is not None:
        dataset = agreement.dataset_named(name)
        if dataset not in own:
            raise ConfigError(f"Dataset '{name}' is not brought by '{party}'.", hint=f"It brings: {names}.")
        return dataset
    if len(own) != 1:
        raise ConfigError(f"'{party}' brings these datasets: {names}.", hint="Say which with --dataset.")
    return own[0]


def open_dataset(path: Path, dataset: Dataset, *, encoding: str | None, delimiter: str | None) -> Table:
    """Open a department's table, with every column that the agreement maps.

    Args:
        path: the table.
        dataset: the dataset that it is.
        encoding: how a text file was saved; None to find out.
        delimiter: what splits a text file's fields; None to find out.

    Raises:
        UsageError, DataError: as `open_table`.
    """
    return open_table(path, encoding=encoding, delimiter=delimiter, needed=columns_of(dataset))


def columns_of(dataset: Dataset) -> tuple[str, ...]:
    """The department's own columns that are read, and no others."""
    record_id = (dataset.record_id_column,) if dataset.record_id_column else ()
    return (*record_id, *dataset.columns.values())


def check_rows(table: Table, dataset: Dataset, agreement: AgreementFile, *, seen: Seen) -> Survey:
    """Look at every row: what is missing, and what breaks a rule."""
    return encoder.survey(_rows(table, dataset), dataset, agreement, seen=seen)


def require_joining(dataset: Dataset, agreement: AgreementFile) -> None:
    """Refuse to tell what is joined at home where nothing is.

    Raises:
        ConfigError: the agreement does not have records of the dataset joined.
    """
    encoding = agreement.content.encoding
    if encoding.scheme != "field-filters" or not encoding.field_filter_parameters.joins(dataset):
        raise ConfigError(
            f"No records of '{dataset.name}' are joined at home.",
            hint="They are in scheme field-filters, with join_at_home, in a dataset that may_have_duplicates.",
        )


def require_clean(found: Survey, dataset: Dataset) -> None:
    """Refuse a table with any value that breaks a rule, or of another size than agreed.

    Raises:
        DataError: with the findings, each with row, column and rule.
    """
    if found.broken_count:
        raise DataError(
            f"{found.broken_count} value(s) of '{dataset.name}' break a rule.",
            hint="Mend them at the source.",
            findings=(*found.broken_ids, *found.broken),
        )
    encoder.require_expected_rows(found, dataset)


@dataclass(frozen=True, slots=True)
class Attackable:
    """What a department attacks of its own.

    Attributes:
        columns: standardised values of the records that would be encoded, by identifier; they never leave.
        several: whether a person may have more than one of them.
        survey: counts, and where a rule was broken.
        rows_root: commits to all rows of the table.
        salt_key: what it was made with; never shown.
    """

    columns: Mapping[str, Sequence[str]] = field(repr=False)
    several: bool
    survey: Survey
    rows_root: str
    salt_key: bytes = field(repr=False)


def records_to_attack(table: Table, dataset: Dataset, agreement: AgreementFile, *, seen: Seen) -> Attackable:
    """Read the records that would be encoded, as they would be.

    Raises:
        DataError: there are fewer than two.
    """
    salt_key = derive.random_bytes(row_commitments.SALT_KEY_BYTES)
    committed = row_commitments.RowCommitment(dataset, agreement.content, salt_key)
    rows = committed.over(_rows(table, dataset))
    survey, columns = encoder.encodable_records(rows, dataset, agreement, seen=seen)
    if survey.encodable - survey.copies < 2:
        raise DataError(
            f"'{dataset.name}' has fewer than two records that can be encoded: there is nothing to attack.",
            hint="Look at it with 'pprl check'.",
        )
    return Attackable(columns, dataset.may_have_duplicates, survey, committed.root(), salt_key)


@dataclass(frozen=True, slots=True)
class Attacks:
    """Which attacks are wanted.

    Attributes:
        people: most records to attack.
        known_people: whom an attacker recognises who counts.
        seed: of everything that is drawn.
        required_only: whether to leave out what a risk statement can do without.
    """

    people: int
    known_people: int
    seed: int
    required_only: bool

    @classmethod
    def asked_for(
        cls,
        agreement: Agreement,
        *,
        people: int | None = None,
        known_people: int | None = None,
        seed: int | None = None,
        required_only: bool = False,
    ) -> Attacks:
        """What is asked for; else as the agreement has it, and where it sets no limits, as usual.

        Args:
            agreement: a draft or the agreement.
            people: most records to attack; None for as expected, as with the others.
            known_people: whom an attacker recognises.
            seed: of everything that is drawn.
            required_only: whether to leave out what a risk statement can do without.
        """
        limits = agreement.privacy.risk
        expected = (limits.people, limits.known_people) if limits else (usual.PEOPLE, usual.KNOWN_PEOPLE)
        return cls(
            expected[0] if people is None else people,
            expected[1] if known_people is None else known_people,
            usual.SEED if seed is None else seed,
            required_only,
        )


def attack(
    attackable: Attackable,
    agreement: Agreement,
    wanted: Attacks,
    *,
    budget: float,
    clock: Callable[[], float],
    progress: Callable[[str, float], None],
) -> Risk:
    """Attack one's own encodings, made under a test secret, as everybody who might see them could.

    Args:
        attackable: the records.
        agreement: how they are encoded.
        wanted: which attacks.
        budget: seconds for all attacks.
        clock: tells seconds.
        progress: told what is done, and the share of it that is done.
    """
    from pprl.privacy import battery, sampling  # noqa: PLC0415 - attacks take a second to load; no other step has any

    chosen = sampling.sample(
        attackable.columns,
        agreement.kinds(),
        people=wanted.people,
        seed=wanted.seed,
        several=attackable.several,
    )
    return battery.attack(
        chosen,
        agreement,
        known_people=wanted.known_people,
        seed=wanted.seed,
        budget=budget,
        clock=clock,
        progress=progress,
        required_only=wanted.required_only,
    )


def judge_risk(
    risk: Risk, attacked: Attackable, dataset: Dataset, agreement: AgreementFile
) -> tuple[Finding, ...] | None:
    """Why what attacks came to does not pass the agreement's limits; None where it sets none.

    Args:
        risk: what came of the attacks.
        attacked: the records that were attacked.
        dataset: the dataset that they are.
        agreement: whose limits they are held against.

    Returns:
        A finding for each limit that is broken; () if it passes.
    """
    if agreement.content.privacy.risk is None:
        return None
    statement = risk.statement(agreement_sha256=agreement.sha256, dataset=dataset.name)
    return judge(statement, agreement.content, rows=attacked.survey.rows)


def require_limits(agreement: AgreementFile, identity: Identity) -> None:
    """Refuse to state what attacks came to where the agreement does not ask for it, or has other keys for me.

    Raises:
        ConfigError: the agreement sets no limits.
        VerificationError: the agreement has other keys for this department.
    """
    require_mine(agreement.content, identity)
    if agreement.content.privacy.risk is None:
        raise ConfigError(
            "The agreement asks for no risk statement: it has no [privacy.risk].",
            hint="Leave --sign out, or agree a version with limits.",
        )


def state_risk(
    risk: Risk, attacked: Attackable, dataset: Dataset, agreement: AgreementFile, identity: Identity
) -> bytes:
    """Sign what one's own attacks came to, if that passes. The department keeps it, and the salt key with it.

    Args:
        risk: what they came to.
        attacked: the records.
        dataset: the dataset that they are.
        agreement: the agreement.
        identity: the department.

    Returns:
        The statement's file, which goes with the encodings.

    Raises:
        DataError: the table can't be encoded as it is.
        DisclosureError: it does not pass the limits of the agreement, with a finding for each fault.
    """
    encoder.require_acceptable(attacked.survey, dataset, agreement)
    statement = risk.statement(agreement_sha256=agreement.sha256, dataset=dataset.name)
    stated = StatedRisk(statement, attacked.rows_root)
    risk_statements.require_passing(
        stated, agreement, rows_root=attacked.rows_root, rows=attacked.survey.rows
    )
    return risk_statements.sign_risk_statement(identity, statement, rows_root=attacked.rows_root)


def seal_shares(me: Signatory, recipient: str, shares: Mapping[str, bytes]) -> bytes:
    """Seal shares of the linkage secret to another department: one's own, or all of them to one that lost them.

    Args:
        me: the department that sends.
        recipient: the other department's id.
        shares: by department.

    Returns:
        A container of kind `secret-share`.

    Raises:
        ConfigError: one of the two is not a department.
    """
    _require_department(me)
    party = me.agreement.content.party_named(recipient)
    if "department" not in party.roles:
        raise ConfigError(f"'{recipient}' is not a department in this agreement: it may not hold the secret.")
    document = secret_shares.write(SecretShares(me.agreement.transcript.sha256, shares))
    return seal_for(party, document, me=me, kind=SHARE_KIND, records=len(shares))


def open_shares(me: Signatory, sealed: bytes) -> tuple[str, dict[str, bytes]]:
    """Open shares that another department has sealed to this one. The checks, in this order:

    1. the container is trusted, and sealed to me (the checks that `container.open_container` numbers);
    2. it is from another department of the agreement;
    3. it holds a document of shares, of our own ceremony, strictly spelt;
    4. its envelope counts as many shares;
    5. each share is the one that its department committed to.

    Args:
        me: the department that opens.
        sealed: the container.

    Returns:
        The sender, and the shares by department.

    Raises:
        FormatError: 1 or 3: the bytes are no such container or document.
        VerificationError: they are, and are not trusted.
    """  # noqa: D415 - the list belongs to the sentence
    _require_department(me)
    transcript = me.agreement.transcript
    opened, raw = open_from(sealed, me=me, kind=SHARE_KIND)  # 1
    sender = opened.binding.sender
    if sender not in transcript.departments or sender == me.identity.party:  # 2
        raise VerificationError(f"The share was sent by '{sender}', and not by another department.")
    found = secret_shares.parse(raw, transcript, sender=sender)  # 3
    require_as_bound(opened.binding, dataset="", records=len(found.shares))  # 4
    ceremony.require_committed(found.shares, transcript)  # 5
    return sender, dict(found.shares)


def encode_and_seal(
    table: Table,
    dataset: Dataset,
    me: Signatory,
    secret: LinkageSecret,
    *,
    previous: Mapping[str, str] | None = None,
    risk: RiskFiles | None = None,
    seen: Seen,
) -> SealedSubmission:
    """As `encode_into`, in memory: for a table that is not large.

    Args:
        table: the department's table, as all others are those of `encode_into`.
        dataset: the dataset that it is.
        me: the department.
        secret: the departments' linkage secret.
        previous: the linkage key that each record id had; None if none is to be kept.
        risk: what the department keeps of its attacks; None if there were none.
        seen: called with the rows read so far.

    Returns:
        The submission, which may leave, and what must stay at home.

    Raises:
        ConfigError, DataError, DisclosureError, VerificationError: as `encode_into`.
    """
    file, home_map, row_salts = io.BytesIO(), io.BytesIO(), io.BytesIO()
    outputs = Outputs(file, home_map, row_salts)
    told = encode_into(outputs, table, dataset, me, secret, previous=previous, risk=risk, seen=seen)
    return SealedSubmission(
        file=file.getvalue(),
        home_map=home_map.getvalue(),
        row_salts=row_salts.getvalue(),
        survey=told.survey,
        submission=told.submission,
        carried=told.carried,
    )


def encode_into(
    outputs: Outputs,
    table: Table,
    dataset: Dataset,
    me: Signatory,
    secret: LinkageSecret,
    *,
    previous: Mapping[str, str] | None = None,
    risk: RiskFiles | None = None,
    seen: Seen,
    told: Progress = untold,
) -> Encoded:
    """Encode a table, and seal its two parts to the two roles of the coordinator.

    Encodings are made while they are sealed, and are never held or written in the clear: memory grows with the records'
    numbers and names, some hundred bytes each, and not with encodings. A gate that refuses does so before the container
    that it is about is written.

    Where the agreement limits the people whom attackers may name, nothing is sealed but a table that its own
    department has attacked (`require_attacked`), and that is the same as it was then: its rows have the statement's
    root, under the statement's salt key.

    Args:
        outputs: where the submission goes, and what stays at home.
        table: the department's table.
        dataset: the dataset that it is.
        me: the department, under the agreement.
        secret: the departments' linkage secret.
        previous: the linkage key that each record id had in an earlier version; None if none is to be kept.
        risk: what the department keeps of its attacks on the table; None if there were none.
        seen: called with the rows read so far.
        told: takes what is done once all rows are read, and the share of it that is done.

    Raises:
        ConfigError: previous keys are given, and the agreement keeps none or can't.
        DataError: rows break a rule that the agreement does not forgive.
        DisclosureError: an encoding fails a gate of the agreement, or the table has no risk statement that passes.
        VerificationError: the risk statement is not this department's, or not of this table as it is now.
    """
    _require_department(me)
    agreement = me.agreement.file
    stated = require_attacked(agreement, dataset, risk)
    if previous is not None:
        require_keys_can_be_kept(agreement, dataset)
    begun = encoder.begin(
        _rows(table, dataset),
        dataset,
        agreement,
        secret,
        previous=previous,
        salt_key=risk.salt_key if stated and risk else None,
        risk=risk.statement if stated and risk else b"",
        random_bytes=derive.random_bytes,
        seen=seen,
        told=told,
    )
    if stated is not None:
        risk_statements.require_passing(
            stated, agreement, rows_root=begun.row_salts.rows_root, rows=begun.survey.rows
        )
    carried = _seal_parts(begun, dataset, me, outputs.file, told)
    write_csv(outputs.home_map, HOME_MAP_HEADER, begun.outgoing.home_map())
    outputs.row_salts.write(_kept_salts(begun.row_salts, me))
    return Encoded(
        survey=begun.survey,
        submission=begun.row_salts.submission,
        carried=None if previous is None else _carried(begun.survey, carried, previous),
    )


def require_attacked(agreement: AgreementFile, dataset: Dataset, risk: RiskFiles | None) -> StatedRisk | None:
    """Refuse a table that its department has not attacked, or that attackers name too many people in. In this order:

    1. there is a risk statement, if the agreement limits the people whom attackers may name;
    2. it is this department's, about this agreement and dataset (the checks of `open_risk_statement`);
    3. it passes (`judge`). That it is of the very rows is seen once they are read.

    Returns:
        The statement; None if the agreement asks for none.

    Raises:
        DisclosureError: 1 or 3.
        FormatError, VerificationError: 2.
    """  # noqa: D415 - the list belongs to the sentence
    if agreement.content.privacy.risk is None:
        return None
    if risk is None:  # 1
        raise DisclosureError(
            f"The agreement lets no dataset leave without a risk statement, and '{dataset.name}' has none.",
            hint=f"First attack it yourself: 'pprl risk {dataset.name}.csv --sign', with the same agreement and key.",
        )
    stated = risk_statements.open_risk_statement(
        risk.statement, agreement=agreement, dataset=dataset.name
    )  # 2
    risk_statements.require_passing(stated, agreement)  # 3
    return stated


def require_keys_can_be_kept(agreement: AgreementFile, dataset: Dataset) -> None:
    """Refuse previous linkage keys where they can't be kept.

    Raises:
        ConfigError: the agreement keeps none, is the project's first version, or knows records by row number alone.
    """
    if not agreement.content.release.keep_linkage_keys:
        raise ConfigError(
            "The agreement keeps no linkage keys: every version makes new ones.",
            hint="Leave --previous-keys out, or agree a version with release.keep_linkage_keys = true.",
        )
    if agreement.content.project.version == 1:
        raise ConfigError(
            "This is the first version of the project: no record can have a linkage key yet.",
            hint="Leave --previous-keys out. Keys of another project are never kept.",
        )
    if dataset.record_id_column is None:
        raise ConfigError(
            f"'{dataset.name}' has no record_id_column: row numbers don't say which record had which key.",
            hint="Agree a record_id_column, or let all its records have new keys.",
        )


def read_row_salts(raw: bytes, identity: Identity, agreement: AgreementFile, *, where: str) -> RowSalts:
    """The row salts that `encode_and_seal` sealed at rest.

    Raises:
        KeyFileError: they are none, another party's, or of another agreement.
    """
    kept = at_rest.take(raw, identity=identity, agreement=agreement, kind=ROW_SALTS_KIND, where=where)
    return row_commitments.from_file(kept, where=where)


def prove_rows(
    table: Table, salts: RowSalts, agreement: AgreementFile, wanted: Collection[int], *, seen: Seen
) -> bytes:
    """Open rows of the table that was encoded, for an auditor. The proof holds them in plain.

    Raises:
        VerificationError: it is not the table that was encoded.
        UsageError: a row has no record.
    """
    dataset = agreement.content.dataset_named(salts.dataset)
    proof = row_commitments.prove(_rows(table, dataset), salts, agreement, wanted, seen=seen)
    return row_proofs.write(proof)


def open_linkage_keys(sealed: bytes, receipt: bytes, me: Signatory) -> LinkageKeys:
    """Open the linkage keys that the key issuer has sealed to this department.

    Args:
        sealed: the result as it came.
        receipt: the proof that witnesses saw it issued, which came with it.
        me: this department.

    Raises:
        VerificationError: not from this agreement's key issuer, not for this department, or not proved to be issued.
    """
    require_issued(sealed, receipt, me.agreement.file, recipient=me.identity.party)
    issuer = me.agreement.content.party_with("key-issuer").id
    opened, raw = open_from(sealed, me=me, kind=linkage_keys.KIND, sender=issuer)
    result = linkage_keys.parse(raw, me.agreement.file)
    about = result.header
    require_as_bound(
        opened.binding, dataset=about.dataset, records=about.records, submission=about.submission
    )
    if about.party != me.identity.party:
        raise VerificationError("The linkage keys are for another department.")
    return result


def join_home_map(result: LinkageKeys, home_map: bytes) -> Iterator[tuple[str, str]]:
    """Pairs (record id, linkage key) in the order of the record ids.

    Raises:
        VerificationError: the map and the result are not about the same submission.
    """
    keys = dict(zip(_hex_rows(result.handles), _hex_rows(result.keys), strict=True))
    pairs = _read_home_map(home_map)
    if len(pairs) != len(keys) or {handle for handle, _ in pairs} != keys.keys():
        raise VerificationError(
            "The home map and the linkage keys do not belong to one submission.",
            hint="Use the map that was written together with the submission that this answers.",
        )
    return iter(sorted((record_id, keys[handle]) for handle, record_id in pairs))


def read_keys(path: Path) -> dict[str, str]:
    """The linkage key of each record id, from the table that `pprl keys open` wrote.

    Raises:
        DataError: it is no such table.
    """
    keys: dict[str, str] = {}
    findings = []
    for batch in open_table(path, needed=KEYS_HEADER).batches(KEYS_HEADER):
        ids, theirs = (batch.columns[name] for name in KEYS_HEADER)
        for row, (record_id, key) in enumerate(zip(ids, theirs, strict=True), start=batch.first_row):
            if record_id in keys:
                findings.append(Finding("a record id that is there twice", row=row, column=KEYS_HEADER[0]))
            if not is_linkage_key(key):
                findings.append(Finding("not a linkage key", row=row, column=KEY_COLUMN))
            keys[record_id] = key
    if findings:
        raise fields.refusal(path, findings, hint="Open the result again: 'pprl keys open'.")
    return keys


def key_changes(rows: Iterable[tuple[str, str]], previous: Mapping[str, str]) -> Changes:
    """What became of the linkage keys of last time; a department runs this at home.

    Args:
        rows: record id and linkage key, of every record that was sent.
        previous: the earlier linkage key of each record id.
    """
    keys = dict(rows)
    both = keys.keys() & previous.keys()
    changed = sorted((each, previous[each], keys[each]) for each in both if previous[each] != keys[each])
    return Changes(
        kept=len(both) - len(changed),
        new=len(keys) - len(both),
        withdrawn=len(previous) - len(both),
        changed=tuple(changed),
    )


def group_table(
    table: Table, keys: Mapping[str, str], dataset: Dataset, agreement: AgreementFile, *, seen: Seen
) -> Iterator[tuple[str, ...]]:
    """The header and rows of a group table: each linkage key with its groups, in the order of the keys.

    Args:
        table: the department's table, as it was encoded.
        keys: the linkage key of each record id.
        dataset: the dataset that they are.
        agreement: the agreement; it says which groupings are told.
        seen: called with the rows read so far.

    Raises:
        DataError: values break a rule that the agreement does not forgive, or the keys are of other records.

    Leaks: to the research environment, of every record, linked or not, the groups that the agreement names.
    """
    record_ids, groups = encode_groups.grouped(_rows(table, dataset), dataset, agreement, seen=seen)
    without = len(set(record_ids) - keys.keys())
    if without or len(keys) != len(record_ids):
        raise DataError(
            f"The linkage keys are not those of '{dataset.name}': {without} of its {len(record_ids)} records have "
            f"none, and the file of keys names {len(keys)} records.",
            hint="Use the very table that was encoded, and the keys that came of it.",
        )
    rows_of: dict[str, list[int]] = {}
    for row, record_id in enumerate(record_ids):
        rows_of.setdefault(keys[record_id], []).append(row)
    yield (KEY_COLUMN, *groups)
    for key in sorted(rows_of):
        told = (
            encode_groups.of_one_key(grouping, [values[row] for row in rows_of[key]])
            for grouping, values in groups.items()
        )
        yield (key, *told)


def open_crosswalk(sealed: bytes, receipt: bytes, me: Signatory) -> Crosswalk:
    """Open the crosswalk; the research environment runs this.

    Args:
        sealed: the crosswalk as it came.
        receipt: the proof that witnesses saw it issued, which came with it.
        me: this party.

    Raises:
        VerificationError: not from this agreement's key issuer, not for this party, or not proved to be issued.
    """
    require_issued(sealed, receipt, me.agreement.file, recipient=me.identity.party)
    issuer = me.agreement.content.party_with("key-issuer").id
    opened, raw = open_from(sealed, me=me, kind=crosswalk.KIND, sender=issuer)
    document = crosswalk.parse(raw, me.agreement.file)
    require_as_bound(opened.binding, dataset="", records=document.header.records)
    return document


def crosswalk_rows(document: Crosswalk) -> Iterator[list[str]]:
    """The crosswalk as a table: `person`, then a column a dataset with its linkage keys.

    A person with several keys in one dataset takes several rows; rows of one person follow each other.

    Yields:
        The header, then rows with linkage keys as hexadecimal digits, "" where there is none.

    Leaks: to whoever reads it, which linkage keys are one person's.
    """
    width = len(document.header.datasets)
    yield ["person", *document.header.datasets]
    rows: list[list[str]] = []
    person = ""
    for who, dataset, key in zip(
        _hex_rows(document.people), document.datasets.tolist(), _hex_rows(document.keys), strict=True
    ):
        if who != person:
            yield from rows
            person, rows = who, []
        free = next((row for row in rows if not row[1 + dataset]), None)
        if free is None:
            free = [who, *[""] * width]
            rows.append(free)
        free[1 + dataset] = key
    yield from rows


def _rows(table: Table, dataset: Dataset) -> Iterator[tuple[int, dict[str, list[str]]]]:
    for batch in table.batches(columns_of(dataset)):
        yield batch.first_row, batch.columns


def _require_department(me: Signatory) -> None:
    if "department" not in me.party.roles:
        raise ConfigError(
            f"'{me.party.id}' is not a department in this agreement: it may not hold the secret."
        )


def _seal_parts(begun: Encoding, dataset: Dataset, me: Signatory, out: BinaryIO, told: Progress) -> int:
    """Seal the encodings, and the references that follow from them; gives how many earlier keys are offered."""
    outgoing = begun.outgoing
    offered = 0

    def sealed(role: Role, kind: str, pieces: Iterable[bytes], length: int, file: BinaryIO) -> None:
        seal_into(
            file,
            me.agreement.content.party_with(role),
            cast("BinaryIO", framing.Stream(pieces)),
            length,
            me=me,
            kind=kind,
            records=begun.survey.rows,
            dataset=dataset.name,
            submission=begun.row_salts.submission,
        )

    def encodings(file: BinaryIO) -> None:
        pieces, length = outgoing.encodings(told), outgoing.encodings_bytes
        sealed("matcher", submission.ENCODINGS_KIND, pieces, length, file)

    def references(file: BinaryIO) -> None:
        nonlocal offered
        made = outgoing.references()
        offered = len(made.previous.records)
        pieces, length = submission.reference_pieces(made), submission.reference_bytes(made)
        sealed("key-issuer", submission.REFERENCES_KIND, pieces, length, file)

    submission.stream_submission(out, (encodings, references))
    return offered


def _kept_salts(salts: RowSalts, me: Signatory) -> bytes:
    return at_rest.keep(
        row_commitments.to_file(salts), identity=me.identity, agreement=me.agreement.file, kind=ROW_SALTS_KIND
    )


def _carried(survey: Survey, offered: int, previous: Mapping[str, str]) -> Carried:
    known = len(previous.keys() & set(survey.record_ids))
    return Carried(offered=offered, new=survey.rows - known, withdrawn=len(previous) - known)


def _read_home_map(raw: bytes) -> list[tuple[str, str]]:
    rows = _home_map_rows(raw)
    # Raised here, since an exception raised in a handler keeps the first one, which quotes the map.
    if rows is not None and tuple(next(iter(rows), ())) != HOME_MAP_HEADER:
        raise FormatError("This is not a home map.")
    if rows is None or any(len(row) != len(HOME_MAP_HEADER) for row in rows):
        raise FormatError("The home map is damaged.")
    return [(handle, record_id) for handle, record_id in rows[1:]]


def _home_map_rows(raw: bytes) -> list[list[str]] | None:
    """All rows with the header; None if it is no table."""
    try:
        return list(csv.reader(io.StringIO(raw.decode(), newline=""), strict=True))
    except (csv.Error, UnicodeDecodeError):
        return None


def _hex_rows(ids: framing.Bytes) -> Sequence[str]:
    text = ids.tobytes().hex()
    width = 2 * framing.ID_BYTES
    return [text[start : start + width] for start in range(0, len(text), width)]
