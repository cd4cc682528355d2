"""The key issuer's computation: from references and pairs to linkage keys. Pure; randomness is passed in."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from itertools import combinations
from typing import Any

import numpy as np
from numpy.typing import NDArray

from coordinator.linkage import evidence
from coordinator.linkage.budget import Budget
from coordinator.linkage.evidence import Estimate, Evidence
from coordinator.linkage.refresh import KeySource, Refreshed, refreshed, told
from coordinator.linkage.solve import MERGE_SHARE, Compared, clusters
from pprl.errors import UsageError
from pprl.protocol.agreement import AgreementFile
from pprl.protocol.crosswalk import Crosswalk, CrosswalkHeader
from pprl.protocol.framing import ID_BYTES, Bytes
from pprl.protocol.linkage_keys import LinkageKeys, LinkageKeysHeader
from pprl.protocol.submission import Copies, References

# What `issue` takes: the process itself, for each record, and for each byte of the documents that it reads.
PROCESS_BYTES = 350_000_000
BYTES_A_RECORD = 100
A_REFERENCE, A_PAIR = 1.3, 2.2

Progress = Callable[[str, float], None]
RandomBytes = Callable[[int], bytes]


@dataclass(frozen=True, slots=True)
class Decided:
    """Which pairs may link, and how good the links are expected to be.

    Attributes:
        compared: pairs with what speaks for them, for `clusters`.
        threshold: the least of it that links.
        method: how it was found, for the report.
        precision: expected share of links that are right.
        recall: expected share of matches that are linked.
        evidence: what all this rests on, for the report.
        merge_share: share of the pairs between two groups that must link before they are one, for `clusters`.
    """

    compared: tuple[Compared, ...]
    threshold: float
    method: str
    precision: Estimate
    recall: Estimate
    evidence: Evidence
    merge_share: float = MERGE_SHARE


@dataclass(frozen=True, slots=True)
class Issued:
    """What the key issuer has decided.

    Attributes:
        linkage_keys: one document a dataset.
        crosswalk: which keys belong to one person.
        report: counts, threshold and estimates; no keys, no scores of single pairs.
    """

    linkage_keys: tuple[LinkageKeys, ...] = field(repr=False)
    crosswalk: Crosswalk = field(repr=False)
    report: dict[str, Any]


def memory_needed(*, records: int, references: int, pairs: int) -> int:
    """Bytes of the whole process that `issue` takes at most, as measured on generated linkages.

    Args:
        records: of all datasets.
        references: bytes of all documents of references.
        pairs: bytes of the matcher's document.
    """
    return PROCESS_BYTES + records * BYTES_A_RECORD + int(references * A_REFERENCE) + int(pairs * A_PAIR)


def require_room(budget: Budget, *, records: int, references: int, pairs: int) -> None:
    """Refuse to begin what doesn't fit; the key issuer runs this. Arguments as for `memory_needed`.

    Raises:
        UsageError: the budget is too small. It says how much is needed.
    """
    needed = memory_needed(records=records, references=references, pairs=pairs)
    if needed > budget.bytes:
        raise UsageError(
            f"To issue linkage keys for {records} records takes up to {needed / 1e9:.1f} GB of memory, and "
            f"{budget.bytes / 1e9:.1f} GB may be used.",
            hint=f"Give --memory {-(-needed // 10**8) * 100}MB or more, on a machine that has as much.",
        )


def issue(
    agreement: AgreementFile,
    references: Mapping[str, References],
    raw_pairs: bytes,
    *,
    project_key: KeySource | None = None,
    random_bytes: RandomBytes,
    progress: Progress,
) -> Issued:
    """Decide which records belong to one person, and give every record a linkage key; the key issuer runs this.

    Args:
        agreement: names the datasets and the rules.
        references: of every dataset.
        raw_pairs: the matcher's document.
        project_key: the source of linkage keys where the agreement keeps them from version to version; else None.
        random_bytes: the source of everything else that is drawn: other linkage keys, and people's numbers.
        progress: told what is done, and the share of it.

    Raises:
        VerificationError: the pairs are not about these submissions, or a department offers linkage keys that it was
            never given.

    Leaks: to the key issuer, which handles belong to one person, and which earlier linkage keys they had.
        To departments, nothing but their own keys.
    """
    decided = _decide(agreement, references, raw_pairs, progress)
    duplicates = [dataset.may_have_duplicates for dataset in agreement.content.dataset]
    copies = [references[dataset.name].copies for dataset in agreement.content.dataset]
    progress("cluster", 0.7)
    people = _people(agreement, references, decided)
    progress("issue", 0.8)
    owners = _owners(agreement, people, copies, decided)
    kept = None if project_key is None else _refreshed(agreement, references, owners, project_key)
    keys = draw_keys(owners, random_bytes) if kept is None else [each.keys for each in kept]
    crosswalk = crosswalk_of(people, owners, keys, agreement, random_bytes)
    progress("report", 0.9)
    report = _report(agreement, decided, people, duplicates) | _told_of_keys(agreement, kept)
    progress("report", 1.0)
    return Issued(
        linkage_keys=tuple(
            _linkage_keys(references[dataset.name], keys[index])
            for index, dataset in enumerate(agreement.content.dataset)
        ),
        crosswalk=crosswalk,
        report=report,
    )


def _decide(
    agreement: AgreementFile, references: Mapping[str, References], raw_pairs: bytes, progress: Progress
) -> Decided:
    if agreement.content.encoding.scheme == "clk":
        from coordinator.linkage import decide_clk  # noqa: PLC0415 - each scheme loads its own libraries

        progress("decide", 0.0)
        return decide_clk.decide(agreement, references, raw_pairs)
    from coordinator.linkage import decide_field_filters  # noqa: PLC0415

    return decide_field_filters.decide(agreement, references, raw_pairs, progress=progress)


def _people(
    agreement: AgreementFile, references: Mapping[str, References], decided: Decided
) -> list[NDArray[np.int64]]:
    """For each dataset, the person of each record."""
    datasets = agreement.content.dataset
    sizes = [len(references[dataset.name].handles) for dataset in datasets]
    duplicates = [dataset.may_have_duplicates for dataset in datasets]
    found = clusters(sizes, duplicates, decided.compared, decided.threshold, merge_share=decided.merge_share)
    return with_copies(found, [references[dataset.name].copies for dataset in datasets])


def _owners(
    agreement: AgreementFile,
    people: Sequence[NDArray[np.int64]],
    copies: Sequence[Copies],
    decided: Decided,
) -> list[NDArray[np.int64]]:
    if agreement.content.release.linkage_keys == "per-record":
        return [np.arange(len(labels)) for labels in people]
    duplicates = [dataset.may_have_duplicates for dataset in agreement.content.dataset]
    return owners_of_keys(
        people,
        duplicates,
        decided.compared,
        decided.threshold,
        copies,
        merge_share=decided.merge_share,
    )


def with_copies(people: Sequence[NDArray[np.int64]], copies: Sequence[Copies]) -> list[NDArray[np.int64]]:
    """Clusters in which each copy is where its original is; the key issuer runs this.

    Args:
        people: for each dataset, the cluster of each record over all datasets.
        copies: for each dataset, its copies.

    Returns:
        The same shapes, whole numbers from 0 without gaps.
    """
    placed = []
    for labels, of_dataset in zip(people, copies, strict=True):
        of_record = labels.copy()
        of_record[of_dataset.records] = labels[of_dataset.originals]
        placed.append(of_record)
    everybody = max((int(labels.max(initial=-1)) for labels in placed), default=-1) + 1
    there = np.zeros(everybody, dtype=bool)
    for labels in placed:
        there[labels] = True
    name = np.cumsum(there) - 1
    return [name[labels] for labels in placed]


def owners_of_keys(
    people: Sequence[NDArray[np.int64]],
    may_have_duplicates: Sequence[bool],
    compared: Sequence[Compared],
    threshold: float,
    copies: Sequence[Copies],
    *,
    merge_share: float = MERGE_SHARE,
) -> list[NDArray[np.int64]]:
    """Which of a dataset's records share a linkage key: those that the dataset's own pairs put together.

    A department that saw which of its records another department's record joins could ask, by records that it
    made up, whether a person is in the other dataset. So no other dataset's pair counts here. A person of the
    crosswalk may then have several keys in a dataset; a key belongs to one person.

    Args:
        people: for each dataset, the cluster of each record over all datasets.
        may_have_duplicates: for each dataset, whether it may hold several records of one person.
        compared: candidate pairs.
        threshold: the lowest score that links.
        copies: for each dataset, its copies.
        merge_share: as for `clusters`.

    Returns:
        For each dataset, whole numbers from 0 without gaps, equal for records that share a key.

    Leaks: to departments, which of their records are alike, and where alike records of theirs are of two people
    of the crosswalk.
    """
    owners = []
    for index, labels in enumerate(people):
        own = [Compared(0, 0, each.pairs) for each in compared if each.left == each.right == index]
        (alike,) = clusters(
            [len(labels)], [may_have_duplicates[index]], own, threshold, merge_share=merge_share
        )
        (alike,) = with_copies([alike], [copies[index]])
        if int(alike.max(initial=-1)) + 1 == len(alike):
            # Nobody is alike: a key each.
            owners.append(alike)
            continue
        both = alike * (int(labels.max(initial=0)) + 1) + labels
        owners.append(np.unique(both, return_inverse=True)[1])
    return owners


def _refreshed(
    agreement: AgreementFile,
    references: Mapping[str, References],
    owners: Sequence[NDArray[np.int64]],
    project_key: KeySource,
) -> list[Refreshed]:
    """For each dataset, the linkage key of each record: the one that it had, or one that the project key makes."""
    return [
        refreshed(
            groups,
            references[dataset.name].previous,
            dataset.name,
            source=project_key,
            version=agreement.content.project.version,
        )
        for dataset, groups in zip(agreement.content.dataset, owners, strict=True)
    ]


def _told_of_keys(agreement: AgreementFile, kept: Sequence[Refreshed] | None) -> dict[str, Any]:
    if kept is None:
        return {}
    limit = agreement.content.release.small_number_limit
    datasets = agreement.content.dataset
    return {
        "keys": [told(dataset.name, each, limit=limit) for dataset, each in zip(datasets, kept, strict=True)]
    }


def draw_keys(owners: Sequence[NDArray[np.int64]], random_bytes: RandomBytes) -> list[Bytes]:
    """For each dataset, the linkage key of each record: fresh for each dataset, so that no two recipients agree.

    Args:
        owners: for each dataset, which records share a key, as `owners_of_keys` says.
        random_bytes: the source of keys.
    """
    return [_random_ids(int(each.max(initial=-1)) + 1, random_bytes)[each] for each in owners]


def _random_ids(count: int, random_bytes: RandomBytes) -> Bytes:
    return np.frombuffer(random_bytes(count * ID_BYTES), dtype=np.uint8).reshape(count, ID_BYTES)


def _linkage_keys(references: References, keys: Bytes) -> LinkageKeys:
    about = references.header
    header = LinkageKeysHeader(
        agreement_sha256=about.agreement_sha256,
        dataset=about.dataset,
        party=about.party,
        submission=about.submission,
        records=about.records,
    )
    return LinkageKeys(header, references.handles, keys)


def crosswalk_of(
    people: Sequence[NDArray[np.int64]],
    owners: Sequence[NDArray[np.int64]],
    keys: Sequence[Bytes],
    agreement: AgreementFile,
    random_bytes: RandomBytes,
) -> Crosswalk:
    """Which linkage keys belong to one person: a row for each key of those who have several.

    Args:
        people: for each dataset, the person of each record over all datasets.
        owners: for each dataset, which records share a key.
        keys: for each dataset, the linkage key of each record.
        agreement: names the datasets.
        random_bytes: the source of people's numbers.
    """
    datasets = np.arange(len(people))
    one_each = [_of_owners(each, which) for each, which in zip(people, owners, strict=True)]
    count = max(int(each.max(initial=-1)) for each in people) + 1
    keys_of_person = np.zeros(count, dtype=np.int64)
    for each in one_each:
        keys_of_person += np.bincount(each, minlength=count)
    linked = [keys_of_person[each] > 1 for each in one_each]
    names = _random_ids(count, random_bytes)
    header = CrosswalkHeader(
        agreement_sha256=agreement.sha256,
        datasets=tuple(dataset.name for dataset in agreement.content.dataset),
        linkage_keys=sum(int(each.sum()) for each in linked),
        records=sum(len(labels) for labels in people),
    )
    return Crosswalk(
        header,
        np.vstack([names[each[some]] for each, some in zip(one_each, linked, strict=True)]),
        np.repeat(datasets, [int(each.sum()) for each in linked]),
        np.vstack(
            [_of_owners(each, which)[some] for each, which, some in zip(keys, owners, linked, strict=True)]
        ),
    )


def _of_owners(of_records: NDArray[Any], owners: NDArray[np.int64]) -> NDArray[Any]:
    """What records that share a key have in common, once for each key."""
    found = np.empty((int(owners.max(initial=-1)) + 1, *of_records.shape[1:]), of_records.dtype)
    found[owners] = of_records
    return found


def _report(
    agreement: AgreementFile,
    decided: Decided,
    people: list[NDArray[np.int64]],
    duplicates: list[bool],
) -> dict[str, Any]:
    sizes = np.bincount(np.concatenate(people))
    in_datasets = np.stack([np.bincount(labels, minlength=len(sizes)) for labels in people])
    return {
        "agreement_sha256": agreement.sha256,
        "method": decided.method,
        "records": {
            dataset.name: len(labels)
            for dataset, labels in zip(agreement.content.dataset, people, strict=True)
        },
        "linked_pairs": _linked_pairs(in_datasets, duplicates),
        "linked_people": int(((in_datasets > 0).sum(axis=0) > 1).sum()),
        "overlaps": _overlaps(in_datasets, [dataset.name for dataset in agreement.content.dataset]),
        "clusters": int((sizes > 1).sum()),
        "threshold": _told(agreement, decided.threshold),
        "estimated_precision": asdict(decided.precision),
        "estimated_recall": asdict(decided.recall),
        "evidence": evidence.document(
            decided.evidence,
            decided.compared,
            people,
            datasets=[dataset.name for dataset in agreement.content.dataset],
            limit=agreement.content.release.small_number_limit,
        ),
    }


def _told(agreement: AgreementFile, threshold: float) -> float:
    """The threshold down to three digits, as the exact one is some pair's own score; above 1 where nothing links."""
    if agreement.content.linkage.threshold != "estimated" or threshold > 1:
        return threshold
    return math.floor(threshold * 1_000 + 1e-9) / 1_000


def _overlaps(in_datasets: NDArray[np.int64], names: list[str]) -> list[dict[str, Any]]:
    """For each two datasets, the share of the people of the smaller one who were linked to the other."""
    found = []
    for left, right in combinations(range(len(names)), 2):
        people = [in_datasets[side] > 0 for side in (left, right)]
        smaller = max(min(int(each.sum()) for each in people), 1)
        share = int((people[0] & people[1]).sum()) / smaller
        found.append({"left": names[left], "right": names[right], "share": share})
    return found


def _linked_pairs(in_datasets: NDArray[np.int64], duplicates: list[bool]) -> int:
    """Record pairs in one cluster: between datasets, and inside those that may have duplicates."""
    everything = in_datasets.sum(axis=0)
    between = (everything**2 - (in_datasets**2).sum(axis=0)).sum() // 2
    within = sum(int((counts * (counts - 1) // 2).sum()) for counts in in_datasets[np.array(duplicates)])
    return int(between) + within
