"""The ceremony in any order, with anything altered: one secret, or a refusal that says what is wrong."""

from __future__ import annotations

import hashlib

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from pprl.encode import ceremony
from pprl.errors import FormatError, PprlError, ProtocolError, VerificationError
from pprl.protocol import secret_shares
from pprl.protocol.secret_shares import SecretShares
from pprl.protocol.transcript import Transcript

NAMES = ("police", "court", "prison", "health", "revenue", "school")
AGREEMENT = hashlib.sha256(b"an agreement").hexdigest()

many = settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])


def transcript_of(shares: dict[str, bytes], agreement: str = AGREEMENT) -> Transcript:
    return Transcript(
        agreement,
        {
            name: ceremony.commitment(share, agreement_sha256=agreement, department=name)
            for name, share in shares.items()
        },
        {},
    )


@st.composite
def drawn_shares(draw: st.DrawFn) -> dict[str, bytes]:
    names = draw(st.lists(st.sampled_from(NAMES), min_size=2, max_size=6, unique=True))
    return {name: draw(st.binary(min_size=32, max_size=32)) for name in names}


def flipped(data: bytes, bit: int) -> bytes:
    return (int.from_bytes(data, "big") ^ (1 << bit)).to_bytes(len(data), "big")


@many
@given(shares=drawn_shares(), data=st.data())
def test_every_order_of_arrival_gives_one_secret(shares: dict[str, bytes], data: st.DataObject) -> None:
    transcript = transcript_of(shares)
    orders = [data.draw(st.permutations(sorted(shares))) for _ in range(3)]
    secrets = {
        ceremony.derive_secret({name: shares[name] for name in order}, transcript).value for order in orders
    }
    assert len(secrets) == 1


@many
@given(shares=drawn_shares(), data=st.data())
def test_one_altered_bit_of_a_share_is_refused(shares: dict[str, bytes], data: st.DataObject) -> None:
    transcript = transcript_of(shares)
    name = data.draw(st.sampled_from(sorted(shares)))
    altered = {**shares, name: flipped(shares[name], data.draw(st.integers(0, 255)))}
    with pytest.raises(VerificationError, match=f"share of '{name}'"):
        ceremony.derive_secret(altered, transcript)


@many
@given(shares=drawn_shares(), data=st.data())
def test_one_altered_bit_of_a_commitment_is_refused(shares: dict[str, bytes], data: st.DataObject) -> None:
    honest = transcript_of(shares)
    name = data.draw(st.sampled_from(sorted(shares)))
    altered = flipped(bytes.fromhex(honest.commitments[name]), data.draw(st.integers(0, 255))).hex()
    transcript = Transcript(AGREEMENT, {**honest.commitments, name: altered}, {})
    with pytest.raises(VerificationError, match=f"share of '{name}'"):
        ceremony.derive_secret(shares, transcript)
    document = secret_shares.write(SecretShares(honest.sha256, {name: shares[name]}))
    with pytest.raises(VerificationError, match="another ceremony"):
        secret_shares.parse(document, transcript, sender=name)


@many
@given(shares=drawn_shares(), bit=st.integers(0, 255))
def test_one_altered_bit_of_the_agreement_is_refused(shares: dict[str, bytes], bit: int) -> None:
    honest = transcript_of(shares)
    other = Transcript(flipped(bytes.fromhex(AGREEMENT), bit).hex(), honest.commitments, {})
    with pytest.raises(VerificationError, match="committed to"):
        ceremony.derive_secret(shares, other)


@many
@given(shares=drawn_shares(), data=st.data())
def test_an_altered_id_is_refused(shares: dict[str, bytes], data: st.DataObject) -> None:
    honest = transcript_of(shares)
    name = data.draw(st.sampled_from(sorted(shares)))
    other = flipped(name.encode(), data.draw(st.integers(0, 8 * len(name) - 1)))
    try:
        renamed = other.decode("ascii")
        altered = {renamed if each == name else each: value for each, value in honest.commitments.items()}
        transcript = Transcript(AGREEMENT, altered, {})
    except (FormatError, UnicodeDecodeError):
        return
    with pytest.raises(VerificationError, match="committed to"):
        ceremony.derive_secret(
            {renamed if each == name else each: share for each, share in shares.items()}, transcript
        )


@many
@given(shares=drawn_shares(), data=st.data())
def test_missing_shares_are_waited_for_by_name(shares: dict[str, bytes], data: st.DataObject) -> None:
    gone = data.draw(st.sets(st.sampled_from(sorted(shares)), min_size=1))
    held = {name: share for name, share in shares.items() if name not in gone}
    with pytest.raises(ProtocolError) as caught:
        ceremony.derive_secret(held, transcript_of(shares))
    assert ceremony.missing_from(held, transcript_of(shares)) == tuple(sorted(gone))
    waited = caught.value.message.split("waiting for ")[1].rstrip(".").replace(" and ", ", ").split(", ")
    assert waited == sorted(gone)


@many
@given(shares=drawn_shares(), data=st.data())
def test_each_share_matters_to_every_bit_of_the_result(shares: dict[str, bytes], data: st.DataObject) -> None:
    name = data.draw(st.sampled_from(sorted(shares)))
    other = {**shares, name: flipped(shares[name], data.draw(st.integers(0, 255)))}
    one = ceremony.derive_secret(shares, transcript_of(shares))
    two = ceremony.derive_secret(other, transcript_of(other))
    assert one.value != two.value
    assert one.key_check() != two.key_check()


@many
@given(raw=st.binary(max_size=300))
def test_any_bytes_are_accepted_or_refused(raw: bytes) -> None:
    shares = {"police": bytes(32), "court": bytes(range(32))}
    with pytest.raises(PprlError):
        secret_shares.parse(raw, transcript_of(shares), sender="police")


@many
@given(shares=drawn_shares(), data=st.data())
def test_any_change_of_a_document_is_refused_or_seen(shares: dict[str, bytes], data: st.DataObject) -> None:
    transcript = transcript_of(shares)
    name = sorted(shares)[0]
    raw = secret_shares.write(SecretShares(transcript.sha256, {name: shares[name]}))
    at = data.draw(st.integers(0, len(raw) - 1))
    changed = raw[:at] + bytes([raw[at] ^ data.draw(st.integers(1, 255))]) + raw[at + 1 :]
    with pytest.raises((FormatError, VerificationError)):
        accepted(changed, transcript, name)


def accepted(raw: bytes, transcript: Transcript, sender: str) -> None:
    found = secret_shares.parse(raw, transcript, sender=sender)
    ceremony.require_committed(found.shares, transcript)


@many
@given(shares=drawn_shares())
def test_confirmations_are_each_departments_own(shares: dict[str, bytes]) -> None:
    secret = ceremony.derive_secret(shares, transcript_of(shares))
    told = {name: secret.confirmation(name) for name in shares}
    assert len(set(told.values())) == len(shares)
    assert all(ceremony.confirmations_of(secret, told).values())
    first, second, *_ = sorted(shares)
    exchanged = {**told, first: told[second]}
    assert [name for name, right in ceremony.confirmations_of(secret, exchanged).items() if not right] == [
        first
    ]
