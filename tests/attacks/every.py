"""All attacks, by subject, in the order in which they are told."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from tests.attacks import (
    agreement_signatures,
    ceremonies,
    certificates,
    containers,
    destroyed_stores,
    encodings,
    exported_runs,
    identities,
    kept_keys,
    kept_logs,
    logs,
    results,
    risk_statements,
    rows,
    shares,
    submissions,
    versions,
)
from tests.attacks.registry import Attack

SUBJECTS: Mapping[str, Sequence[Attack]] = {
    "Containers": containers.ATTACKS,
    "The agreement's signatures": agreement_signatures.ATTACKS,
    "Versions and roles": versions.ATTACKS,
    "The linkage secret": ceremonies.ATTACKS,
    "Shares of the linkage secret": shares.ATTACKS,
    "Submissions and stores": submissions.ATTACKS,
    "Made-up encodings": encodings.ATTACKS,
    "Risk statements": risk_statements.ATTACKS,
    "Rows that an auditor asks for": rows.ATTACKS,
    "Results and linkage keys": results.ATTACKS,
    "Key files and cards": identities.ATTACKS,
    "Logs, witnesses and receipts": logs.ATTACKS,
    "Logs in stores": kept_logs.ATTACKS,
    "Exported runs": exported_runs.ATTACKS,
    "Linkage keys that are kept": kept_keys.ATTACKS,
    "Destroyed stores": destroyed_stores.ATTACKS,
    "Certificates of destruction": certificates.ATTACKS,
}
