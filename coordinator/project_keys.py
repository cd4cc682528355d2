"""The key issuer's project key: where it is kept from version to version, and when one may be made.

It lies beside the key file, as `PARTY.PROJECT.project-key`, and not in the store: a store may be destroyed with its
run, and the key must outlive it.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from coordinator.custody import Coordinator
from coordinator.linkage.refresh import require_issued
from coordinator.store import database
from coordinator.store.database import AgreementRow
from pprl.crypto import project_key
from pprl.crypto.project_key import ProjectKey
from pprl.errors import ProtocolError
from pprl.files import seen
from pprl.files.atomic import read_secret_file, write_new
from pprl.protocol import agreement as agreements
from pprl.protocol import log
from pprl.protocol.agreement import AgreementFile
from pprl.protocol.submission import References


def require_own_keys(me: Coordinator, agreement: AgreementFile, references: References) -> None:
    """Refuse references that offer linkage keys which this key issuer did not give their dataset before.

    Checked when they come, so that a department which took the wrong file can send again; and again by `issue`.

    Raises:
        ProtocolError: there is no project key to tell by.
        VerificationError: some of the keys are of another dataset or project, or made up.
    """
    if len(references.previous.records):
        require_issued(
            references.previous,
            references.header.dataset,
            source=_held(me, agreement),
            version=agreement.content.project.version,
        )


def key_for_issue(
    me: Coordinator, agreement: AgreementFile, references: Mapping[str, References]
) -> ProjectKey | None:
    """The project key from which a run's linkage keys come; None where the agreement keeps none.

    It is made, and on disk, before the first linkage key is: a run that is broken off finds it again.

    Raises:
        ProtocolError: keys were issued before, and the project key is not here.
    """
    path = project_key_file(me, agreement)
    if not agreement.content.release.keep_linkage_keys:
        if path.exists():  # A later version may keep them again, and must follow this one.
            _remember(me, agreement)
        return None
    offered = any(len(each.previous.records) for each in references.values())
    if path.exists() or offered or _kept_before(me, agreement):
        return _held(me, agreement)
    _remember(me, agreement)
    made = project_key.create(agreement.content.project.id)
    write_new(path, project_key.to_file(made, me.identity), mode=0o600)
    return made


def project_key_file(me: Coordinator, agreement: AgreementFile) -> Path:
    """Where a project's key is kept."""
    return me.key_file.with_name(f"{me.identity.party}.{agreement.content.project.id}.project-key")


def _remember(me: Coordinator, agreement: AgreementFile) -> None:
    """Remember beside the key file which agreements a project is: two with one id and one project key could be joined.

    Raises:
        VerificationError: another agreement than this one has this id and version, or the version does not follow.
    """
    memory = seen.path_beside(me.key_file, me.identity.party)
    seen.change(memory, lambda before: before.with_agreement(agreement))


def _held(me: Coordinator, agreement: AgreementFile) -> ProjectKey:
    path = project_key_file(me, agreement)
    if not path.exists():
        raise ProtocolError(
            f"There is no project key {path}, by which earlier linkage keys are known and kept.",
            hint="Restore it from a backup. If it is lost, agree a version without release.keep_linkage_keys: all "
            "records then get new linkage keys, and the version after that can keep those.",
        )
    memory = seen.read(seen.path_beside(me.key_file, me.identity.party))
    if agreement.content.project.id not in memory.agreements:
        raise ProtocolError(
            f"{path.name} is here, but nothing is remembered of the project that it was made for.",
            hint=f"Restore {me.identity.party}.seen.json from your safe copy. If this is another project with the same "
            "id, it needs an id of its own.",
        )
    _remember(me, agreement)
    raw = read_secret_file(path, what="project key")
    return project_key.from_file(raw, me.identity, where=path.name, project=agreement.content.project.id)


def _kept_before(me: Coordinator, agreement: AgreementFile) -> bool:
    """Whether this store issued the version before, and that one kept keys."""
    with database.reading(me.engine) as session:
        row = session.get(AgreementRow, agreement.content.project.previous_sha256 or "")
        if row is None:
            return False
        # The log tells it, and not the stage: a run that was destroyed may never have issued.
        issued = any(log.parse(raw).kind == "issued" for raw in database.entries_of(session, row.sha256))
        earlier = agreements.parse(row.raw, where="The registered agreement").content
    return earlier.release.keep_linkage_keys and issued
