"""Attacks on the coordinator's stores: by a department that sends, or by whoever carries what was sent."""

from __future__ import annotations

import io
import warnings
from collections.abc import Callable
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
from sqlalchemy.exc import SAWarning

from coordinator import custody, intake, operations, sizes
from coordinator.linkage import decide_clk
from coordinator.operations import Coordinator
from coordinator.store import database
from coordinator.store.stages import Role
from pprl.crypto import container
from pprl.crypto.exchange import open_from, open_stream_from, seal_for
from pprl.errors import ConfigError, DisclosureError, FormatError, ProtocolError, VerificationError
from pprl.protocol import framing, pairs, submission
from pprl.protocol.submission import Encodings
from tests.attacks.ground import collecting, fresh, made, pairs_of, store_of
from tests.attacks.registry import Attack, cut, remove
from tests.support.keys import asked
from tests.support.project import DATASETS, ISSUER, MATCHER, Project, silent
from tests.support.submissions import write_submission

# The database has one place for each dataset.
ONE_PLACE = "can't be used (IntegrityError)"


def sent(project: Project, *files: bytes, role: Role = Role.MATCHER) -> Coordinator:
    """A store of a role that has received the files, one after the other."""
    me = store_of(project, role)
    with warnings.catch_warnings():
        # What the database says of its own when the same part comes again.
        warnings.simplefilter("ignore", SAWarning)
        for file in files:
            operations.receive(me, file)
    return me


def at_the_matcher(*files: bytes) -> Any:
    """A matcher that has the police's submission already receives further files."""
    return sent(fresh(collecting(Role.MATCHER)), *files)


@cache
def parts(dataset: str) -> tuple[bytes, bytes]:
    return halves(made().submission(dataset).read_bytes())


def halves(raw: bytes) -> tuple[bytes, bytes]:
    first, second = (raw[start : start + length] for start, length in submission.containers(io.BytesIO(raw)))
    return first, second


def sealed_again(
    dataset: str, change: Callable[[Encodings], Encodings], *, binding: dict[str, Any] | None = None
) -> bytes:
    """A department's submission with other encodings, which it seals and signs itself."""
    project, (encodings, references) = made(), parts(dataset)
    agreement = project.agreement
    opened, raw = open_from(encodings, me=project.signatory(MATCHER), kind=submission.ENCODINGS_KIND)
    changed = change(submission.parse_encodings(raw, agreement))
    bound = {"records": changed.header.records, "dataset": dataset, "submission": opened.binding.submission}
    department = project.signatory(agreement.content.dataset_named(dataset).party)
    matcher = agreement.content.party_with("matcher")
    sealed = seal_for(
        matcher, submission.write_encodings(changed), me=department, kind=submission.ENCODINGS_KIND,
        **{**bound, **(binding or {})},
    )  # fmt: skip
    return write_submission(sealed, references)


def with_header(**changes: Any) -> Callable[[Encodings], Encodings]:
    return lambda found: replace(found, header=found.header.model_copy(update=changes))


# The same again.


def same_submission_twice() -> Any:
    return at_the_matcher(made().submission("police").read_bytes())


def dataset_twice() -> Any:
    return at_the_matcher(made().encode("police"))


def mixed_halves() -> Any:
    encodings, _ = parts("court")
    _, references = halves(made().encode("court"))
    return at_the_matcher(write_submission(encodings, references))


def halves_of_two_departments() -> Any:
    return at_the_matcher(write_submission(parts("court")[0], parts("prison")[1]))


def halves_swapped() -> Any:
    encodings, references = parts("court")
    return at_the_matcher(write_submission(references, encodings))


# Other secrets.


def altered_key_check() -> Any:
    return at_the_matcher(sealed_again("court", with_header(key_check="0" * 32)))


def other_ceremony() -> Any:
    return at_the_matcher(sealed_again("court", with_header(transcript="7" * 64)))


def other_secret() -> Any:
    other = replace(made().held_secret("court-dept"), value=bytes(32))
    return at_the_matcher(made().encode("court", secret=other))


def one_secret_too_many() -> Any:
    """Three submissions, one of them under another secret, as if each had come alone."""
    project = fresh(collecting(Role.MATCHER))
    other = replace(project.held_secret("court-dept"), value=bytes(32))
    me = store_of(project, Role.MATCHER)
    for file in (project.encode("court", secret=other), project.submission("prison").read_bytes()):
        accepted = [verified_alone(me, *each) for each in intake.addressed_parts(me, io.BytesIO(file))]
        with database.writing(me.engine) as session:
            for each in accepted:
                intake.take_in(me, session, each)
    return operations.match(me, None, progress=silent)


def verified_alone(me: Coordinator, kind: str, sealed: BinaryIO) -> Any:
    mine = custody.seat(me, None, Role.MATCHER, needs=(kind,))
    opened, content = open_stream_from(sealed, me=mine, kind=kind)
    size = opened.binding.plaintext_bytes
    told = intake._told_of(submission.EncodingsReader(content, mine.agreement.file, size=size).header, b"")
    return intake.Verified(mine.agreement.file, opened, told, sealed)


# Made-up encodings.


def wildcard() -> Any:
    """An encoding with every bit set resembles everybody's."""

    def everything_set(found: Encodings) -> Encodings:
        filters = found.filters[0].copy()
        filters[0] = 255
        return replace(found, filters=(filters,))

    return at_the_matcher(sealed_again("court", everything_set))


def probing_for_few() -> Any:
    """A dataset of three people, to learn whether they are in another one."""

    def three(found: Encodings) -> Encodings:
        passes = tuple(each.model_copy(update={"records": 3}) for each in found.header.passes)
        header = found.header.model_copy(update={"records": 3, "passes": passes})
        return replace(
            found, header=header, references=(found.references[0][:3],), filters=(found.filters[0][:3],)
        )

    return at_the_matcher(sealed_again("court", three))


def one_reference_for_two_records() -> Any:
    def doubled(found: Encodings) -> Encodings:
        ids = found.references[0].copy()
        ids[1] = ids[0]
        return replace(found, references=(np.ascontiguousarray(ids),))

    return at_the_matcher(sealed_again("court", doubled))


def other_count_than_bound() -> Any:
    return at_the_matcher(sealed_again("court", lambda found: found, binding={"records": 7}))


def anothers_dataset_inside() -> Any:
    """The envelope is about the sender's dataset, and the document about another's."""
    header = with_header(dataset="prison", party="prison-dept")
    return at_the_matcher(sealed_again("court", header, binding={"dataset": "court"}))


# Other agreements and versions.


@cache
def with_a_second_version() -> tuple[Project, Path]:
    project = fresh(collecting(Role.MATCHER))
    text = project.agreement_path.read_text("utf-8")
    link = f'version = 2\nprevious_sha256 = "{project.agreement.sha256}"'
    second = project.agreed("second.toml", text.replace("version = 1", link, 1))
    project.register(store_of(project, Role.MATCHER), second)
    return project, second


@cache
def with_other_bytes() -> tuple[Project, Path]:
    project = fresh(collecting(Role.MATCHER))
    other = project.amended("other.toml", {("linkage", "target_precision"): 0.9})
    return project, other


def replaced_version() -> Any:
    return sent(fresh(with_a_second_version()[0]), made().submission("court").read_bytes())


def rolled_back_register() -> Any:
    """A store that knows the second version alone is given the first."""
    project, second = with_a_second_version()
    again = fresh(project)
    again.store(Role.MATCHER).rename(again.folder / "away")
    me = again.open_store(Role.MATCHER, agreement_path=again.folder / second.name)
    return again.register(me, again.agreement_path)


def other_bytes_of_one_version() -> Any:
    project, other = with_other_bytes()
    again = fresh(project)
    return again.register(store_of(again, Role.MATCHER), again.folder / other.name)


def store_of_a_department() -> Any:
    """A department runs the matcher's part itself."""
    project = fresh()
    folder = project.folder / "own-store"
    operations.initialise(
        folder, key_file=project.key("police-dept"), passphrase=asked, roles=(Role.MATCHER,)
    )
    return project.register(operations.open_store(folder, asked), project.agreement_path)


def kept_for_too_long() -> Any:
    project = fresh(collecting(Role.MATCHER))
    return operations.receive(
        store_of(project, Role.MATCHER, days_later=31), project.submission("court").read_bytes()
    )


def larger_than_any_can_be() -> Any:
    """The second part says that it is 64 GiB long; the file is sparse."""
    project = fresh(collecting(Role.MATCHER))
    raw = project.submission("court").read_bytes()
    (_, _), (start, _) = submission.containers(io.BytesIO(raw))
    path = project.folder / "stretched"
    path.write_bytes(raw[: start - 8] + (2**36 - start).to_bytes(8, "big") + raw[start:])
    with path.open("r+b") as file:
        file.truncate(2**36)
    return read_or_out_of_memory(store_of(project, Role.MATCHER), path)


def read_or_out_of_memory(me: Coordinator, path: Path) -> bytes:
    with path.open("rb") as file:
        for part in sizes._containers(file):
            sizes._require_possible(me, part)
    return b"it would be read now"


# Pairs.


def pairs_from_a_department() -> Any:
    project = fresh()
    _, plain = open_from(pairs_of(), me=project.signatory(ISSUER), kind=pairs.KIND)
    department = project.signatory("police-dept")
    records = sum(each.records for each in pairs.parse(plain, project.agreement).header.datasets)
    issuer = project.agreement.content.party_with("key-issuer")
    forged = seal_for(issuer, plain, me=department, kind=pairs.KIND, records=records)
    return operations.receive(project.open_store(Role.KEY_ISSUER), forged)


@cache
def encoded_again() -> Project:
    """A key issuer that has every dataset, each encoded once more after it was matched."""
    project = fresh()
    me = project.open_store(Role.KEY_ISSUER)
    for name in DATASETS:
        operations.receive(me, project.encode(name))
    operations.receive(me, pairs_of())
    return project


def pairs_of_other_submissions() -> Any:
    return operations.issue(store_of(fresh(encoded_again()), Role.KEY_ISSUER), None, progress=silent)


AGAIN = remove(intake, "_require_first")
WHOLE = remove(operations, "require_whole_submission")
EARLIER_SECRET = remove(intake, "_require_the_secret_of_earlier_parts")
OUR_CEREMONY = remove(intake, "require_our_ceremony")
ONE_SECRET = remove(operations, "_require_one_secret")
WILDCARDS = remove(submission, "require_no_wildcards")
ROWS = remove(framing, "require_agreed_rows")
AS_BOUND = remove(intake, "require_as_bound")
DEPARTMENT = cut(intake, "_require_of_the_envelope", "another department than its envelope")
FRESH = remove(submission, "_require_ascending_references")
EXPECTED = remove(container, "_check_expected", number=9)
DATASET = remove(container, "_check_dataset_is_theirs", number=9)
NEWEST = remove(database, "require_newest")
NEXT = remove(operations, "_require_next_version")
ROLES = remove(operations, "_require_my_roles")
RETENTION = remove(custody, "require_kept_no_longer")
POSSIBLE = remove(sizes, "_require_possible")

ATTACKS = (
    Attack("the same submission twice", "a submission that was received is sent again",
           same_submission_twice, ProtocolError, "a dataset is submitted once", [AGAIN], ONE_PLACE),
    Attack("a dataset twice", "a department encodes its dataset again, and sends that too",
           dataset_twice, ProtocolError, "a dataset is submitted once", [AGAIN], ONE_PLACE),
    Attack("mixed halves", "the two parts of two submissions of one dataset are put into one file",
           mixed_halves, VerificationError, "belong to different submissions", [WHOLE]),
    Attack("halves of two departments", "the parts of two departments are put into one file",
           halves_of_two_departments, VerificationError, "belong to different submissions", [WHOLE]),
    Attack("halves swapped", "the matcher is given the key issuer's part",
           halves_swapped, VerificationError, "kind is 'references'", [EXPECTED], "sealed to"),
    Attack("altered key-check value", "a department tells another key check than its secret has",
           altered_key_check, VerificationError, "different linkage secrets", [EARLIER_SECRET]),
    Attack("another ceremony", "a department encodes with a secret of other signatures than the matcher's",
           other_ceremony, VerificationError, "in another ceremony", [OUR_CEREMONY]),
    Attack("another secret", "a department encodes with a secret of its own",
           other_secret, VerificationError, "different linkage secrets", [EARLIER_SECRET]),
    Attack("another secret, at the matching", "encodings under two secrets are in the store when it is matched",
           one_secret_too_many, VerificationError, "different linkage secrets", [ONE_SECRET]),
    Attack("wildcard encoding", "a department sends an encoding with every bit set, which is like everybody's",
           wildcard, DisclosureError, "more bits set than", [WILDCARDS]),
    Attack("dataset out of range", "a department sends three people, to learn of each whether others have them",
           probing_for_few, VerificationError, "the agreement expects", [ROWS, WHOLE]),
    Attack("one reference for two records", "a department gives two records one reference",
           one_reference_for_two_records, FormatError, "", [FRESH]),
    Attack("another count than in the envelope", "the document has another number of records than its envelope tells",
           other_count_than_bound, VerificationError, "than its envelope", [AS_BOUND, WHOLE]),
    Attack("another's dataset inside", "a department's envelope holds a document about another's dataset",
           anothers_dataset_inside, VerificationError, "than its envelope", [AS_BOUND, DEPARTMENT]),
    Attack("a replaced version", "a submission under a version that a newer one has replaced",
           replaced_version, ProtocolError, "version 1 is over", [NEWEST]),
    Attack("rolled-back register", "a coordinator is led to take up an older version again",
           rolled_back_register, ProtocolError, "an older one is not taken up again", [NEXT]),
    Attack("other bytes of one version", "a coordinator is led to take up another text of a version",
           other_bytes_of_one_version, ProtocolError, "registered with other bytes", [NEXT]),
    Attack("a department as coordinator", "a department opens a store as the matcher",
           store_of_a_department, ConfigError, "does not make 'police-dept' its matcher", [ROLES]),
    Attack("kept for too long", "a store goes on after the days on which encodings may be there",
           kept_for_too_long, DisclosureError, "gone by now", [RETENTION]),
    Attack("larger than the agreement allows", "a file that says it is 64 GiB long, to fill the memory",
           larger_than_any_can_be, FormatError, "by the agreement one of 'references' has", [POSSIBLE]),
    Attack("pairs from a department", "a department makes up the pairs, and so who matches",
           pairs_from_a_department, VerificationError, "sender is 'police-dept'", [EXPECTED]),
    Attack("pairs of other submissions", "pairs of an earlier submission, after the datasets were encoded again",
           pairs_of_other_submissions, VerificationError, "another submission of 'police'",
           [cut(decide_clk, "_with_positions", "another submission of")], "that 'police' doesn't have"),
)  # fmt: skip
