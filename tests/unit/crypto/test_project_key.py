"""The project key: linkage keys that it knows again, and no others; its file."""

from __future__ import annotations

import base64
from typing import Any

import pytest
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from pprl.crypto import derive, identity, project_key
from pprl.crypto.identity import Identity
from pprl.crypto.project_key import ProjectKey, from_file, to_file
from pprl.crypto.x_wing import wrap
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


@pytest.fixture(scope="module")
def issuer() -> Identity:
    return identity.create("issuer")


@pytest.fixture(scope="module")
def tree(issuer: Identity) -> dict[str, Any]:
    found: dict[str, Any] = canonical.loads(to_file(KEY, issuer))
    return found


def test_the_file_comes_back_and_does_not_show_the_key(issuer: Identity) -> None:
    raw = to_file(KEY, issuer)
    assert from_file(raw, issuer, where="file", project="justice") == KEY
    assert KEY.value not in raw
    assert base64.b64encode(KEY.value)[4:-4] not in raw


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"format": "pprl-linkage-secret"}, "version known here"),
        ({"version": 2}, "version known here"),
        ({"version": True}, "version known here"),
        ({"project": "other"}, "another project or party"),
        ({"party": "other"}, "another project or party"),
        ({"ed25519": ""}, "was not made with this key file"),
        ({"ml_dsa_65": "?"}, "was not made with this key file"),
        ({"ml_dsa_65": 7}, "was not made with this key file"),
        ({"wrapped": ""}, "was not made with this key file"),
        ({"comment": ""}, "not a project key file"),
    ],
)
def test_other_files_are_refused(
    issuer: Identity, tree: dict[str, Any], changes: dict[str, Any], says: str
) -> None:
    with pytest.raises(KeyFileError, match=says):
        from_file(canonical.dumps({**tree, **changes}), issuer, where="file", project="justice")


def test_it_is_of_one_project_and_one_party(issuer: Identity) -> None:
    raw = to_file(KEY, issuer)
    with pytest.raises(KeyFileError, match="another project or party"):
        from_file(raw, issuer, where="file", project="other")
    with pytest.raises(KeyFileError, match="was not made with this key file"):
        from_file(raw, identity.create("issuer"), where="file", project="justice")


def test_a_key_that_others_have_wrapped_for_the_issuer_is_refused(
    issuer: Identity, tree: dict[str, Any]
) -> None:
    about = project_key._about(issuer, "justice")
    planted = wrap(bytes(32), issuer.public.x_wing, info=project_key._info(about))
    mine = {**tree, "wrapped": base64.b64encode(planted).decode()}
    ed25519, ml_dsa_65 = identity.create("issuer").sign(
        canonical.dumps({**about, "wrapped": mine["wrapped"]}), context=b"pprl/v1/project-key"
    )
    signed = {
        name: base64.b64encode(raw).decode() for name, raw in (("ed25519", ed25519), ("ml_dsa_65", ml_dsa_65))
    }
    for each in (mine, {**mine, **signed}, {**mine, "ed25519": signed["ed25519"]}):
        with pytest.raises(KeyFileError, match="was not made with this key file"):
            from_file(canonical.dumps(each), issuer, where="file", project="justice")


def test_a_key_that_is_signed_and_wrapped_for_another_does_not_open(issuer: Identity) -> None:
    about = project_key._about(issuer, "justice")
    signed = {
        **about,
        "wrapped": base64.b64encode(wrap(bytes(32), issuer.public.x_wing, info=b"other")).decode(),
    }
    made = issuer.sign(canonical.dumps(signed), context=b"pprl/v1/project-key")
    names = dict(zip(("ed25519", "ml_dsa_65"), (base64.b64encode(raw).decode() for raw in made), strict=True))
    with pytest.raises(KeyFileError, match="does not open"):
        from_file(canonical.dumps({**signed, **names}), issuer, where="file", project="justice")


@pytest.mark.parametrize("raw", [b"", b"[]", b'{ "format":1}'])
def test_what_is_no_such_file_is_refused(issuer: Identity, raw: bytes) -> None:
    with pytest.raises(KeyFileError, match="not a project key file"):
        from_file(raw, issuer, where="file", project="justice")
