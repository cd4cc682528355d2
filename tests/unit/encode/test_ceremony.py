"""The ceremony's rules, one by one: what is refused, and in which words."""

from __future__ import annotations

import pytest

from pprl.crypto import derive
from pprl.encode import ceremony, linkage_secret
from pprl.encode.linkage_secret import LinkageSecret
from pprl.errors import FormatError, KeyFileError, ProtocolError, VerificationError
from pprl.protocol import canonical
from pprl.protocol.secret_shares import SecretShares
from pprl.protocol.transcript import Transcript

AGREEMENT = "a" * 64
SHARES = {"police": bytes(32), "court": bytes(range(32)), "prison": b"\xff" * 32}


def commitments(agreement: str = AGREEMENT) -> dict[str, str]:
    return {
        name: ceremony.commitment(share, agreement_sha256=agreement, department=name)
        for name, share in SHARES.items()
    }


def test_a_share_is_drawn_from_the_random_bytes_that_are_given() -> None:
    asked: list[int] = []

    def random_bytes(length: int) -> bytes:
        asked.append(length)
        return bytes(length)

    assert ceremony.draw_share(random_bytes) == bytes(32)
    assert asked == [32]
    assert ceremony.draw_share(derive.random_bytes) != ceremony.draw_share(derive.random_bytes)


def test_the_same_share_has_another_commitment_for_another_department_or_agreement() -> None:
    share = SHARES["police"]
    made = {
        ceremony.commitment(share, agreement_sha256=agreement, department=name)
        for agreement in ("a" * 64, "b" * 64)
        for name in ("police", "polic", "court")
    }
    assert len(made) == 6


def test_a_copied_commitment_is_refused_with_both_names() -> None:
    copied = {**commitments(), "court": commitments()["police"]}
    with pytest.raises(VerificationError, match="'court' and 'police' commit to the same share"):
        Transcript(AGREEMENT, copied, {})


@pytest.mark.parametrize("value", ["", "0" * 63, "A" * 64, "0" * 65, None, 7])
def test_a_commitment_that_is_none_is_refused(value: object) -> None:
    with pytest.raises(FormatError, match="commitment"):
        Transcript(AGREEMENT, {**commitments(), "court": value}, {})  # type: ignore[dict-item]


def test_the_transcript_does_not_depend_on_the_order_of_what_is_given() -> None:
    backwards = dict(reversed(commitments().items()))
    assert Transcript(AGREEMENT, backwards, {}) == Transcript(AGREEMENT, commitments(), {})
    assert Transcript(AGREEMENT, backwards, {}).sha256 == Transcript(AGREEMENT, commitments(), {}).sha256
    assert Transcript(AGREEMENT, backwards, {}).departments == ("court", "police", "prison")


def test_another_run_key_makes_another_transcript() -> None:
    first, second = ({"office": digit * 64} for digit in "12")
    told = {Transcript(AGREEMENT, commitments(), keys).sha256 for keys in ({}, first, second)}
    assert len(told) == 3
    with pytest.raises(FormatError, match="run key"):
        Transcript(AGREEMENT, commitments(), {"office": "1" * 63})


def test_a_dropped_commitment_makes_another_transcript() -> None:
    less = {name: value for name, value in commitments().items() if name != "prison"}
    assert Transcript(AGREEMENT, less, {}).sha256 != Transcript(AGREEMENT, commitments(), {}).sha256


def test_a_dropped_commitment_makes_the_share_one_of_nobody() -> None:
    less = {name: value for name, value in commitments().items() if name != "prison"}
    with pytest.raises(VerificationError, match="share of 'prison'"):
        ceremony.derive_secret(SHARES, Transcript(AGREEMENT, less, {}))


def test_shares_under_another_agreement_make_another_secret() -> None:
    one = ceremony.derive_secret(SHARES, Transcript(AGREEMENT, commitments(), {}))
    other = ceremony.derive_secret(SHARES, Transcript("b" * 64, commitments("b" * 64), {}))
    assert one.value != other.value


def test_who_is_waited_for_is_told() -> None:
    with pytest.raises(ProtocolError, match="waiting for court and prison") as caught:
        ceremony.derive_secret({"police": SHARES["police"]}, Transcript(AGREEMENT, commitments(), {}))
    assert "pprl secret status" in caught.value.hint


@pytest.mark.parametrize(
    ("names", "told"), [((), ""), (("a",), "a"), (("a", "b"), "a and b"), (("a", "b", "c"), "a, b and c")]
)
def test_names_in_a_message(names: tuple[str, ...], told: str) -> None:
    assert ceremony.listed(names) == told


def test_neither_shares_nor_the_secret_are_ever_shown() -> None:
    secret = ceremony.derive_secret(SHARES, Transcript(AGREEMENT, commitments(), {}))
    shown = repr(secret) + repr(SecretShares("7" * 64, SHARES))
    assert secret.value.hex() not in shown
    assert repr(secret.value) not in shown
    assert repr(SHARES["court"]) not in shown


def test_a_secret_comes_back_from_its_file() -> None:
    secret = LinkageSecret(AGREEMENT, "7" * 64, SHARES["court"])
    raw = linkage_secret.to_file(secret)
    assert linkage_secret.from_file(raw, where="it", agreement_sha256=AGREEMENT) == secret


@pytest.mark.parametrize(
    "change",
    [
        {"transcript": "7" * 63},
        {"transcript": None},
        {"transcript": "A" * 64},
        {"version": 2},
        {"format": "pprl-secret"},
        {"secret": "AAAA"},
        {"secret": None},
        {"agreement_sha256": "b" * 64},
        {"more": 1},
    ],
)
def test_a_damaged_secret_file_is_refused(change: dict[str, object]) -> None:
    tree = canonical.loads(linkage_secret.to_file(LinkageSecret(AGREEMENT, "7" * 64, SHARES["court"])))
    with pytest.raises(KeyFileError):
        linkage_secret.from_file(canonical.dumps({**tree, **change}), where="it", agreement_sha256=AGREEMENT)
