"""The ceremony with files: what is kept, what is refused, whom it waits for, and that every step can be run again."""

from __future__ import annotations

import stat
from datetime import timedelta
from pathlib import Path

import pytest

from pprl import department, sharing
from pprl.crypto import reseal, signatures
from pprl.crypto.exchange import seal_for
from pprl.encode import ceremony
from pprl.errors import (
    ConfigError,
    FormatError,
    KeyFileError,
    ProtocolError,
    UsageError,
    VerificationError,
)
from pprl.files import holdings, seen
from pprl.protocol import secret_shares
from pprl.protocol.agreement import AgreementFile
from pprl.protocol.secret_shares import SecretShares
from pprl.protocol.signatures import others
from pprl.protocol.transcript import SHARE_KIND
from tests.support.departments import COORDINATOR, TODAY, Home, agreement_of, homes, identity, signed_homes
from tests.support.receipts import logged_request

THREE = ("police", "court", "prison")


@pytest.fixture
def signed(tmp_path: Path) -> dict[str, Home]:
    return signed_homes(tmp_path, THREE)


def made(homes_of_all: dict[str, Home], names: tuple[str, ...] = THREE) -> dict[str, bytes]:
    """Everybody's whole ceremony; gives each department's secret."""
    sent = {name: homes_of_all[name].share() for name in names}
    for name in names:
        homes_of_all[name].accept(*(sent[other][name] for other in names if other != name))
    return {name: secret_of(homes_of_all[name]) for name in names}


def secret_of(home: Home) -> bytes:
    return sharing.secret_of(home.me(), home.kept).value


def test_everybody_comes_to_one_secret(signed: dict[str, Home]) -> None:
    assert len(set(made(signed).values())) == 1
    me, other = signed["police"].me(), signed["court"].me()
    one, two = (sharing.secret_of(each, signed[each.identity.party].kept) for each in (me, other))
    assert one.key_check() == two.key_check()
    assert one.transcript == me.agreement.transcript.sha256
    assert ceremony.confirmations_of(one, {"court": two.confirmation("court")}) == {"court": True}


def test_what_is_kept_is_for_its_owner_alone(signed: dict[str, Home]) -> None:
    secret = made(signed)["police"]
    kept = signed["police"].kept
    own = sharing.own_share(signed["police"].agreement, signed["police"].identity, kept)
    assert own is not None
    for path in kept.folder.rglob("*"):
        assert stat.S_IMODE(path.stat().st_mode) == (0o700 if path.is_dir() else 0o600), path
        assert path.is_dir() or not {secret, own} & {path.read_bytes()[at : at + 32] for at in range(8192)}


def test_a_second_commit_changes_nothing(tmp_path: Path) -> None:
    home = homes(tmp_path, THREE)["police"]
    first = home.commit()
    share = home.kept.share.read_bytes()
    assert sharing.commit(home.agreement, home.identity, home.kept) == (first, False)
    assert home.kept.share.read_bytes() == share


def test_a_commit_that_was_killed_goes_on_with_the_same_share(tmp_path: Path) -> None:
    home = homes(tmp_path, THREE)["police"]
    first = home.commit()
    home.kept.commitment.unlink()
    assert sharing.commit(home.agreement, home.identity, home.kept) == (first, True)


def test_a_commitment_without_its_share_is_not_committed_to_again(tmp_path: Path) -> None:
    home = homes(tmp_path, THREE)["police"]
    home.commit()
    home.kept.share.unlink()
    with pytest.raises(KeyFileError, match=r"not in .* any more"):
        home.commit()


def test_a_commitment_to_another_share_is_refused(tmp_path: Path) -> None:
    home = homes(tmp_path, THREE)["police"]
    home.commit()
    home.kept.commitment.write_text("0" * 64 + "\n")
    with pytest.raises(KeyFileError, match="not of the share"):
        home.commit()


def test_only_departments_commit(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="not a department"):
        homes(tmp_path, THREE)[COORDINATOR].commit()


def test_nothing_is_shared_before_everybody_has_signed(signed: dict[str, Home]) -> None:
    (signed["police"].signatures / "prison.signature").unlink()
    with pytest.raises(ProtocolError, match="not signed yet by: prison"):
        signed["police"].share()
    assert not signed["police"].kept.sent_to("court").exists()


def test_shared_again_it_is_the_same_file(signed: dict[str, Home]) -> None:
    first = signed["police"].share()
    assert signed["police"].share() == first
    (signed["police"].out / sharing.file_name("police", "court")).unlink()
    assert signed["police"].share() == first


def test_a_share_takes_no_other_files_place(signed: dict[str, Home]) -> None:
    home = signed["police"]
    home.out.mkdir()
    precious = home.out / sharing.file_name("police", "court")
    precious.write_text("precious")
    with pytest.raises(UsageError, match="exists already"):
        home.share()
    assert precious.read_text() == "precious"
    assert [path.name for path in home.out.iterdir()] == [precious.name]


def test_a_share_other_than_the_signed_one_is_not_sent(tmp_path: Path, signed: dict[str, Home]) -> None:
    (tmp_path / "other").mkdir()
    other = signed_homes(tmp_path / "other", THREE)["police"]
    signed["police"].kept.share.write_bytes(other.kept.share.read_bytes())
    with pytest.raises(VerificationError, match="share of 'police'"):
        signed["police"].share()


def test_it_waits_by_name_until_the_last_share(signed: dict[str, Home]) -> None:
    sent = {name: signed[name].share() for name in THREE}
    police = signed["police"]
    with pytest.raises(ProtocolError, match="waiting for the share of court and prison"):
        secret_of(police)
    assert police.accept(sent["prison"]["police"]).waiting == ("court",)
    with pytest.raises(ProtocolError, match="waiting for the share of court"):
        secret_of(police)
    found = police.accept(sent["court"]["police"], sent["prison"]["police"])
    assert (found.waiting, found.secret is not None) == ((), True)


def test_shares_in_any_order_twice_and_together(signed: dict[str, Home]) -> None:
    sent = {name: signed[name].share() for name in THREE}
    one, two = sent["court"]["police"], sent["prison"]["police"]
    assert signed["police"].accept(two, one, two).secret is not None
    first = secret_of(signed["police"])
    assert signed["police"].accept(one).waiting == ()
    assert secret_of(signed["police"]) == first


def test_a_killed_accept_is_finished_without_a_file(signed: dict[str, Home]) -> None:
    secret = made(signed)["police"]
    signed["police"].kept.linkage_secret.unlink()
    with pytest.raises(ProtocolError) as caught:
        secret_of(signed["police"])
    assert "once more" in caught.value.hint
    signed["police"].accept()
    assert secret_of(signed["police"]) == secret


def test_one_refused_file_keeps_all_others_out(signed: dict[str, Home]) -> None:
    sent = {name: signed[name].share() for name in THREE}
    good = sent["prison"]["police"]
    bad = good[:-1] + bytes([good[-1] ^ 1])
    with pytest.raises(VerificationError):
        signed["police"].accept(sent["court"]["police"], bad)
    assert not signed["police"].kept.share_from("court").exists()


def test_somebody_elses_share_is_refused(signed: dict[str, Home]) -> None:
    with pytest.raises(VerificationError, match="sealed to 'court'"):
        signed["police"].accept(signed["prison"].share()["court"])


def test_a_share_of_another_agreement_is_refused(tmp_path: Path, signed: dict[str, Home]) -> None:
    (tmp_path / "other").mkdir()
    other = signed_homes(tmp_path / "other", THREE, title="another")
    with pytest.raises(VerificationError, match="another agreement"):
        signed["police"].accept(other["court"].share()["police"])


def test_a_share_of_another_ceremony_of_the_agreement_is_refused(
    tmp_path: Path, signed: dict[str, Home]
) -> None:
    """The prison department has signed twice, and given the two signatures to different departments."""
    (tmp_path / "other").mkdir()
    other = signed_homes(tmp_path / "other", THREE)["prison"].sign()
    court = signed["court"]
    court.take_signature("prison", other)
    with pytest.raises(VerificationError, match="other signatures of the agreement"):
        signed["police"].accept(court.share()["police"])


def test_a_replaced_share_is_refused(signed: dict[str, Home]) -> None:
    """The court itself, or whoever has its keys, sends another share than it committed to."""
    me = signed["court"].me()
    other = department.seal_shares(me, "police", {"court": bytes(32)})
    with pytest.raises(VerificationError, match="'court' committed to"):
        signed["police"].accept(other)


def test_a_share_that_the_coordinator_seals_is_refused(signed: dict[str, Home]) -> None:
    """It knows the transcript and everybody's run keys: all but what a department's signature takes."""
    me = signed[COORDINATOR].me()
    raw = secret_shares.write(SecretShares(me.agreement.transcript.sha256, {"court": bytes(32)}))
    police = me.agreement.content.party_named("police")
    sealed = seal_for(police, raw, me=me, kind=SHARE_KIND, records=1)
    with pytest.raises(VerificationError, match=f"sent by '{COORDINATOR}'"):
        signed["police"].accept(sealed)


def test_an_envelope_that_counts_other_shares_is_refused(signed: dict[str, Home]) -> None:
    me = signed["court"].me()
    own = sharing.own_share(signed["court"].agreement, me.identity, signed["court"].kept)
    assert own is not None
    raw = secret_shares.write(SecretShares(me.agreement.transcript.sha256, {"court": own}))
    sealed = seal_for(me.agreement.content.party_named("police"), raw, me=me, kind=SHARE_KIND, records=2)
    with pytest.raises(VerificationError, match="than its envelope"):
        signed["police"].accept(sealed)


def test_a_document_of_another_kind_is_refused(signed: dict[str, Home]) -> None:
    me = signed["court"].me()
    sealed = seal_for(me.agreement.content.party_named("police"), b"{}", me=me, kind="references", records=1)
    with pytest.raises(VerificationError, match="kind"):
        signed["police"].accept(sealed)


def test_nobody_but_a_department_is_sent_a_share(signed: dict[str, Home]) -> None:
    with pytest.raises(ConfigError, match="not a department"):
        department.seal_shares(signed["police"].me(), COORDINATOR, {"police": bytes(32)})


def test_a_copied_commitment_refuses_everything_that_follows(signed: dict[str, Home]) -> None:
    copied = signed["police"].kept.commitment.read_text().strip()
    raw = signature_with(signed["court"], copied)
    signed["prison"].take_signature("court", raw)
    with pytest.raises(VerificationError, match="same"):
        signed["prison"].share()


def signature_with(home: Home, commitment: str) -> bytes:
    run_key = holdings.run_key_of(home.kept, home.identity, home.agreement).public
    return signatures.sign(home.agreement, home.identity, run_key=run_key, commitment=commitment, today=TODAY)


def test_a_coordinator_that_invents_the_others_is_seen_out_of_band(tmp_path: Path) -> None:
    """In band everything fits: the invented court and prison sign and share. But the words differ."""
    honest, false = agreement_of(THREE), agreement_of(THREE, strangers=True)
    assert honest.content.party_named("police").keys == false.content.party_named("police").keys
    assert honest.sha256 != false.sha256
    home = Home(tmp_path, "police", honest)
    home.hear()
    with pytest.raises(ProtocolError, match="not been compared yet"):
        heard_under(home, false)


def heard_under(home: Home, agreement: AgreementFile) -> None:
    memory = seen.read(seen.path_beside(home.key_path, home.name))
    memory.require_heard(agreement, others(home.agreement.content, home.name))


def test_a_secret_of_another_ceremony_is_not_used(tmp_path: Path, signed: dict[str, Home]) -> None:
    made(signed)
    (tmp_path / "other").mkdir()
    other = signed_homes(tmp_path / "other", THREE)
    made(other)
    police = signed["police"]
    police.kept.linkage_secret.write_bytes(other["police"].kept.linkage_secret.read_bytes())
    with pytest.raises(KeyFileError, match="another ceremony"):
        secret_of(police)


def test_damage_at_home_is_told(signed: dict[str, Home]) -> None:
    made(signed)
    police = signed["police"]
    for path, says in (
        (police.kept.linkage_secret, "linkage.secret can't be used"),
        (police.kept.share, "share can't be used"),
    ):
        before = path.read_bytes()
        path.write_bytes(before[:-1] + bytes([before[-1] ^ 1]))
        with pytest.raises(KeyFileError, match=says):
            police.accept()
        path.write_bytes(before)
    kept = police.kept.share_from("court")
    kept.write_bytes(police.kept.share_from("prison").read_bytes())
    with pytest.raises(VerificationError, match="is from 'prison'"):
        police.accept()


# Who has lost the secret has it sent again.


def logged(home: Home, request: bytes, *, party: str = "police") -> bytes:
    return logged_request(home.agreement, identity, COORDINATOR, request, party)


def resealed(helper: Home, request: bytes, proof: bytes) -> tuple[str, bytes]:
    return sharing.reseal(helper.me(), helper.kept, request, proof, today=TODAY)


def test_who_has_lost_everything_but_its_keys_has_it_sent_again(signed: dict[str, Home]) -> None:
    secret = made(signed)["police"]
    police, court = signed["police"], signed["court"]
    for path in (police.kept.share, police.kept.linkage_secret, *police.kept.shares.iterdir()):
        path.unlink()
    request = reseal.ask(police.me(), today=TODAY)
    asked_by, sealed = resealed(court, request, logged(court, request))
    assert asked_by == "police"
    assert police.accept(sealed).waiting == ()
    assert secret_of(police) == secret


def test_all_shares_take_the_place_of_one(signed: dict[str, Home]) -> None:
    secret = made(signed)["police"]
    police, court = signed["police"], signed["court"]
    for path in (police.kept.share, police.kept.linkage_secret, police.kept.share_from("prison")):
        path.unlink()
    request = reseal.ask(police.me(), today=TODAY)
    police.accept(resealed(court, request, logged(court, request))[1])
    assert secret_of(police) == secret


def test_nothing_is_sent_again_without_the_coordinators_entry(signed: dict[str, Home]) -> None:
    made(signed)
    police, court = signed["police"], signed["court"]
    request = reseal.ask(police.me(), today=TODAY)
    other = reseal.ask(police.me(), today=TODAY - timedelta(days=1))
    with pytest.raises(FormatError):
        resealed(court, request, b"")
    with pytest.raises(VerificationError, match="not of this request"):
        resealed(court, request, logged(court, other))
    with pytest.raises(VerificationError, match="not of this request"):
        resealed(court, request, logged(court, request, party="prison"))


def test_a_request_is_ones_own_and_of_this_ceremony(tmp_path: Path, signed: dict[str, Home]) -> None:
    made(signed)
    court = signed["court"]
    (tmp_path / "other").mkdir()
    again = signed_homes(tmp_path / "other", THREE)["police"]
    elsewhere = signed_homes(tmp_path / "other" / "police", ("revenue", "court"), title="another")["revenue"]
    requests = {
        "another agreement or ceremony": reseal.ask(again.me(), today=TODAY),
        "no department of ours": reseal.ask(elsewhere.me(), today=TODAY),
        "day to come": reseal.ask(signed["police"].me(), today=TODAY + timedelta(days=1)),
        "your own": reseal.ask(court.me(), today=TODAY),
    }
    for says, request in requests.items():
        with pytest.raises(VerificationError, match=says):
            resealed(court, request, logged(court, request))


def test_who_has_not_every_share_sends_none(signed: dict[str, Home]) -> None:
    request = reseal.ask(signed["police"].me(), today=TODAY)
    with pytest.raises(ProtocolError, match="share of police and prison"):
        resealed(signed["court"], request, logged(signed["court"], request))


# What status says.


def test_status_leads_through_the_whole_ceremony(tmp_path: Path) -> None:
    found = homes(tmp_path, THREE)
    police = found["police"]
    steps = [police.status().next_step]
    for name in THREE:
        found[name].commit()
    steps.append(police.status().next_step)
    raws = {name: home.sign() for name, home in found.items()}
    steps.append(police.status().next_step)
    for home in found.values():
        for name, raw in raws.items():
            home.take_signature(name, raw)
    steps.append(police.status().next_step)
    for home in found.values():
        home.hear()
    steps.append(police.status().next_step)
    sent = {name: found[name].share() for name in THREE}
    steps.append(police.status().next_step)
    police.accept(sent["court"]["police"])
    steps.append(police.status().next_step)
    police.accept(sent["prison"]["police"])
    police.kept.linkage_secret.unlink()
    steps.append(police.status().next_step)
    police.accept()
    steps.append(police.status().next_step)
    words = [
        "secret commit", "agreement sign'", "signature of court, prison and office", "court, prison and office",
        "secret share", "share of court and prison", "share of prison", "once more", "Nothing",
    ]  # fmt: skip
    assert [word in step for word, step in zip(words, steps, strict=True)] == [True] * len(words), steps


def test_status_of_one_who_lost_its_share(signed: dict[str, Home]) -> None:
    signed["police"].kept.share.unlink()
    assert "secret ask" in signed["police"].status().next_step
