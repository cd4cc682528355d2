"""The project key: linkage keys that it knows again, and no others; its file."""

from __future__ import annotations

import base64
from typing import Any

import pytest
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from pprl.crypto import derive, project_key
from pprl.crypto.project_key import ProjectKey, from_file, to_file
from pprl.errors import KeyFileError
from pprl.protocol import canonical

KEY = ProjectKey("justice", bytes(range(32)))


def test_linkage_keys_are_as_the_protocol_says() -> None:
    info = b"pprl/v1/linkage-keys\0justice\0police"
    aes = algorithms.AES(HKDF(hashes.SHA512(), 32, salt=b"", info=info).derive(bytes(range(32))))
    block = bytes(8) + bytes([0, 0, 1, 2]) + bytes([0, 0, 0, 1])
    expected = Cipher(aes, modes.ECB()).encryptor().update(block)  # noqa: S305 - as the protocol has it
    assert KEY.numbered("police", version=0x102, count=2)[16:] == expected


def test_it_knows_its_keys_again_and_their_versions() -> None:
    made = b"".join(KEY.numbered("police", version=version, count=1) for version in (1, 7, 2**32 - 1))
    assert KEY.versions("police", made).tolist() == [1, 7, 2**32 - 1]
    assert KEY.versions("police", b"").tolist() == []


@pytest.mark.parametrize(
    ("other", "dataset"),
    [
        (KEY, "court"),
        (ProjectKey("justices", KEY.value), "police"),
        (ProjectKey("justice", bytes(32)), "police"),
    ],
    ids=["dataset", "project", "key"],
)
def test_it_knows_no_others(other: ProjectKey, dataset: str) -> None:
    made = other.numbered(dataset, version=1, count=1_000)
    assert not KEY.versions("police", made).any()
    assert not KEY.versions("police", derive.random_bytes(16_000)).any()


def test_blocks_are_undone_and_lengths_are_checked() -> None:
    key, blocks = bytes(32), bytes(range(48))
    assert derive.prf_blocks_undone(key, derive.prf_blocks(key, blocks)) == blocks
    for wrong in ((bytes(31), blocks), (key, blocks[:-1])):
        with pytest.raises(ValueError, match="has"):
            derive.prf_blocks_undone(*wrong)


def test_two_are_different_and_none_shows_itself() -> None:
    one, other = project_key.create("justice"), project_key.create("justice")
    assert len(one.value) == 32
    assert one.value != other.value
    assert one.value.hex() not in repr(one)
    assert str(one.value) not in repr(one)


def test_the_file_comes_back() -> None:
    assert from_file(to_file(KEY), where="file", project="justice") == KEY


TREE = {
    "format": "pprl-project-key",
    "key": base64.b64encode(KEY.value).decode(),
    "project": "justice",
    "version": 1,
}


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"format": "pprl-linkage-secret"}, "version known here"),
        ({"version": 2}, "version known here"),
        ({"project": "other"}, "another project"),
        ({"key": ""}, "32 bytes"),
        ({"key": 7}, "32 bytes"),
        ({"key": "?" * 44}, "32 bytes"),
        ({"key": base64.b64encode(bytes(31)).decode()}, "32 bytes"),
        ({"comment": ""}, "not a project key file"),
    ],
)
def test_other_files_are_refused(changes: dict[str, Any], says: str) -> None:
    with pytest.raises(KeyFileError, match=says) as refusal:
        from_file(canonical.dumps({**TREE, **changes}), where="file", project="justice")
    assert TREE["key"] not in str(refusal.value)


@pytest.mark.parametrize("raw", [b"", b"[]", b'{ "format":1}', to_file(KEY) + b"\n"])
def test_what_is_no_such_file_is_refused(raw: bytes) -> None:
    with pytest.raises(KeyFileError, match="not a project key file"):
        from_file(raw, where="file", project="justice")


def test_a_version_spelt_true_is_refused() -> None:
    """Found by fuzzing: true equals 1."""
    with pytest.raises(KeyFileError, match="spelt"):
        from_file(canonical.dumps({**TREE, "version": True}), where="file", project="justice")
