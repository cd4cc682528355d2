"""Two projects with the same table of the same department: what leaves for the one can't be joined with the other."""

from __future__ import annotations

import numpy as np

from pprl import department
from pprl.crypto import derive
from pprl.encode import encoder
from pprl.encode.encoder import EncodedDataset
from pprl.protocol.agreement import parse
from pprl.protocol.submission import blocked, filters_of
from tests.support.project import Project, nothing_seen


def _encoded(project: Project, project_id: str) -> EncodedDataset:
    path = project.amended(f"{project_id}.toml", {("project", "id"): project_id})
    agreement = parse(path.read_bytes(), where=project_id)
    dataset = agreement.content.dataset_named("prison")
    table = department.open_dataset(project.data("prison"), dataset, encoding=None, delimiter=None)
    rows = ((batch.first_row, batch.columns) for batch in table.batches(department.columns_of(dataset)))
    secret = project.held_secret("prison-dept", path)
    return encoder.encode(
        rows, dataset, agreement, secret, random_bytes=derive.random_bytes, seen=nothing_seen
    )


def test_what_is_sent_for_two_projects_has_no_value_in_common(field_filter_project: Project) -> None:
    project = field_filter_project
    ours, theirs = (_encoded(project, project_id) for project_id in ("ours", "theirs"))
    filters = filters_of(project.agreement)
    for name in ("key_check", "transcript", "confirmation", "submission", "agreement_sha256"):
        assert getattr(ours.encodings.header, name) != getattr(theirs.encodings.header, name)
    records = 0
    for one, other in zip(ours.encodings.filters, theirs.encodings.filters, strict=True):
        first, second = blocked(one, filters), blocked(other, filters)
        assert first.present.sum() == second.present.sum(), "the same records"
        records += len(first.tags)
        assert not _values(first.tags) & _values(second.tags), "blocks"
        there = [each.filters.reshape(-1, each.filters.shape[2]) for each in (first, second)]
        assert not _values(there[0][there[0].any(axis=1)]) & _values(there[1][there[1].any(axis=1)]), (
            "filters"
        )
    assert records > 100, "else there is nothing to compare"
    for one, other in zip(ours.references.references, theirs.references.references, strict=True):
        assert not _values(one) & _values(other), "references"
    assert not _values(ours.references.handles) & _values(theirs.references.handles)
    assert ours.encodings.header.random_levels != theirs.encodings.header.random_levels


def _values(rows: np.typing.NDArray[np.uint8]) -> set[bytes]:
    return {row.tobytes() for row in np.ascontiguousarray(rows)}
