"""The linkage secret's file."""

from __future__ import annotations

import pytest

from pprl.encode.linkage_secret import LinkageSecret, from_file, to_file
from pprl.errors import KeyFileError

SECRET = LinkageSecret("5" * 64, "7" * 64, bytes(range(32)))
RAW = to_file(SECRET)


def test_a_secret_comes_back() -> None:
    assert from_file(RAW, where="secret", agreement_sha256="5" * 64) == SECRET


@pytest.mark.parametrize(
    ("altered", "says"),
    [(RAW.replace(b"Hh8=", b"Hh9="), "32 bytes"), (RAW.replace(b":1}", b":true}"), "spelt")],
)
def test_a_second_spelling_found_by_fuzzing_is_refused(altered: bytes, says: str) -> None:
    assert altered != RAW
    with pytest.raises(KeyFileError, match=says):
        from_file(altered, where="secret", agreement_sha256="5" * 64)
