from __future__ import annotations

import hashlib
import io
import os
import resource
import tempfile
from functools import partial
from pathlib import Path
from typing import BinaryIO, ClassVar

import pytest

from pprl.crypto import container
from pprl.crypto.identity import create
from pprl.errors import FormatError, KeyFileError, ProtocolError, VerificationError
from pprl.files.atomic import new_file
from pprl.protocol import envelope
from tests.unit.crypto.forgery import (
    AGREED_KEYS,
    AGREEMENT,
    CONTENT,
    DATASETS,
    KIND,
    NORTH,
    OFFICE,
    SOUTH,
    Parts,
    agreement_of,
    binding,
    opened,
    sealed,
)

STEP = container.STEP_BYTES


@pytest.mark.parametrize("length", [0, 1, 16_383, 16_384, 16_385, STEP - 1, STEP, STEP + 1, 2 * STEP])
def test_round_trip(length: int) -> None:
    content = (CONTENT * (length // len(CONTENT) + 1))[:length]
    bound = binding(plaintext_bytes=length)
    raw = sealed(bound, content=content)
    result, plaintext = opened(raw, sender="north", dataset="north_register")
    assert plaintext == content
    head = raw[: len(raw) - envelope.ciphertext_bytes(length)]
    digests = (hashlib.sha256(each).hexdigest() for each in (raw, head))
    assert result == container.Opened(bound, *digests)


def test_seal_returns_the_containers_digest() -> None:
    out = io.BytesIO(b"kept")
    out.seek(4)
    digest = container.seal(
        io.BytesIO(CONTENT), out, binding=binding(), sender=NORTH, sealed_to=OFFICE.public.x_wing
    )
    assert out.getvalue().startswith(b"kept" + envelope.MAGIC)
    assert hashlib.sha256(out.getvalue()[4:]).hexdigest() == digest


def test_sealing_twice_shares_nothing_but_the_binding() -> None:
    first, second = sealed(), sealed()
    assert container.peek(io.BytesIO(first)) == container.peek(io.BytesIO(second))
    assert first[-len(CONTENT) :] != second[-len(CONTENT) :]


def test_larger_than_memory_allows_goes_through_a_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(container, "_HELD_IN_MEMORY_BYTES", 1_000)
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    out = io.BytesIO()
    container.seal(io.BytesIO(CONTENT), out, binding=binding(), sender=NORTH, sealed_to=OFFICE.public.x_wing)
    assert opened(out.getvalue())[1] == CONTENT
    assert list(tmp_path.iterdir()) == []


class Spool(io.BytesIO):
    """Stands for the temporary file, and keeps what was written to it."""

    contents: ClassVar[list[bytes]] = []

    def __init__(self, *, max_size: int, dir: str | None) -> None:
        super().__init__()

    def close(self) -> None:
        Spool.contents.append(self.getvalue())
        super().close()


def test_a_large_ciphertext_waits_beside_the_output(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folders = []

    def spooled(*, max_size: int, dir: str | None) -> BinaryIO:
        folders.append(dir)
        made = tempfile.TemporaryFile(dir=dir)  # noqa: SIM115 - `seal` closes it
        assert os.fstat(made.fileno()).st_mode & 0o077 == 0
        return made

    monkeypatch.setattr("tempfile.SpooledTemporaryFile", spooled)
    monkeypatch.setenv("TMPDIR", str(tmp_path / "nowhere"))
    (tmp_path / "out").mkdir()
    with new_file(tmp_path / "out" / "sealed") as out:
        container.seal(
            io.BytesIO(CONTENT), out, binding=binding(), sender=NORTH, sealed_to=OFFICE.public.x_wing
        )
    assert folders == [str(tmp_path / "out")]
    assert opened((tmp_path / "out" / "sealed").read_bytes())[1] == CONTENT
    with pytest.raises(ProtocolError), new_file(tmp_path / "out" / "other") as out:
        container.seal(
            io.BytesIO(CONTENT[1:]), out, binding=binding(), sender=NORTH, sealed_to=OFFICE.public.x_wing
        )
    assert [path.name for path in (tmp_path / "out").iterdir()] == ["sealed"]


@pytest.fixture
def spool(monkeypatch: pytest.MonkeyPatch) -> type[Spool]:
    monkeypatch.setattr("tempfile.SpooledTemporaryFile", Spool)
    monkeypatch.setattr(Spool, "contents", [])
    return Spool


def test_only_ciphertext_is_spooled(spool: type[Spool]) -> None:
    raw = sealed()
    assert len(spool.contents[0]) == envelope.ciphertext_bytes(len(CONTENT))
    assert raw.endswith(spool.contents[0])


@pytest.mark.parametrize("length", [0, len(CONTENT) - 1, len(CONTENT) + 1, 10 * len(CONTENT)])
def test_content_of_another_length_than_bound_is_not_sealed(length: int) -> None:
    out = io.BytesIO()
    content = io.BytesIO((CONTENT * 10)[:length])
    with pytest.raises(ProtocolError, match="changed its length"):
        container.seal(content, out, binding=binding(), sender=NORTH, sealed_to=OFFICE.public.x_wing)
    assert out.getvalue() == b""


def test_keys_of_another_party_do_not_seal() -> None:
    out = io.BytesIO()
    with pytest.raises(KeyFileError, match="keys of 'south'"):
        container.seal(
            io.BytesIO(CONTENT), out, binding=binding(), sender=SOUTH, sealed_to=OFFICE.public.x_wing
        )
    assert out.getvalue() == b""


def test_fresh_identities_seal_and_open() -> None:
    north, office = create("north"), create("office")
    out = io.BytesIO()
    container.seal(io.BytesIO(CONTENT), out, binding=binding(), sender=north, sealed_to=office.public.x_wing)
    with pytest.raises(VerificationError, match="Ed25519"):
        opened(out.getvalue(), me=office)


def test_peek_verifies_nothing() -> None:
    raw = bytearray(sealed())
    raw[-1] ^= 1
    assert container.peek(io.BytesIO(bytes(raw))) == binding()
    with pytest.raises(VerificationError):
        opened(bytes(raw))


def test_nothing_is_decrypted_before_every_earlier_check() -> None:
    raw = bytearray(sealed())
    raw[-1] ^= 1
    out = io.BytesIO()
    with pytest.raises(VerificationError):
        container.open_container(
            io.BytesIO(bytes(raw)), out, me=OFFICE, opens_with=OFFICE.x_wing, agreement=AGREEMENT, kind=KIND
        )
    assert out.getvalue() == b""


def test_another_ciphertext_is_refused_as_such() -> None:
    """By its digest, before anything is decrypted: whoever has no key finds it too."""
    raw = bytearray(sealed())
    raw[-1] ^= 1
    with pytest.raises(VerificationError, match="not the one that was signed"):
        opened(bytes(raw))


def test_a_party_without_keys_has_sent_nothing() -> None:
    with pytest.raises(VerificationError, match="of whom our agreement has no public keys"):
        opened(sealed(), agreement=agreement_of(AGREED_KEYS | {"north": None}, DATASETS, raw=AGREEMENT.raw))


@pytest.mark.parametrize("length", [0, 1, 8, 11, 12, 13, 100, 5_000])
def test_cut_short_anywhere_in_front_of_the_ciphertext_is_refused(length: int) -> None:
    with pytest.raises(FormatError, match="cut short"):
        opened(sealed()[:length])
    with pytest.raises(FormatError, match="cut short"):
        container.peek(io.BytesIO(sealed()[:length]))


def test_as_large_as_the_step_takes() -> None:
    raw = sealed()
    assert opened(raw, max_bytes=len(raw))[1] == CONTENT
    with pytest.raises(FormatError, match="at most"):
        opened(raw, max_bytes=len(raw) - 1)


def test_a_container_is_read_from_its_start_wherever_the_file_stands() -> None:
    file = io.BytesIO(sealed())
    file.seek(50)
    assert container.peek(file) == binding()
    out = io.BytesIO()
    container.open_container(file, out, me=OFFICE, opens_with=OFFICE.x_wing, agreement=AGREEMENT, kind=KIND)
    assert out.getvalue() == CONTENT


def test_messages_hold_no_content() -> None:
    canary = b"Ottoline Featherstonehaugh" * 100
    raw = sealed(binding(plaintext_bytes=len(canary)), content=canary)
    assert canary[:26] not in raw
    for attempt in (
        partial(opened, raw, me=SOUTH),
        partial(opened, raw[:-1]),
        partial(opened, raw[:-1] + bytes([raw[-1] ^ 1])),
        partial(opened, raw, kind="pairs"),
    ):
        with pytest.raises((FormatError, VerificationError)) as caught:
            attempt()
        assert "Ottoline" not in f"{caught.value} {caught.value.hint} {caught.value.findings}"


# Windows.


def larger_file() -> BinaryIO:
    return io.BytesIO(b"head" + bytes(range(100)) + b"tail")


def test_window_is_a_file_of_its_own() -> None:
    view = container.window(larger_file(), 4, 100)
    assert view.read() == bytes(range(100))
    assert view.read() == b""
    assert view.seek(0, io.SEEK_END) == 100
    assert view.seek(-10, io.SEEK_END) == 90
    assert view.read(5) == bytes(range(90, 95))
    assert view.seek(2, io.SEEK_CUR) == 97
    assert view.read(100) == bytes(range(97, 100))
    assert view.seek(1_000) == 1_000
    assert view.read(1) == b""
    assert not view.writable()
    with pytest.raises(OSError, match="before the start"):
        view.seek(-101, io.SEEK_END)


def test_windows_on_one_file_do_not_disturb_each_other() -> None:
    file = larger_file()
    first, second = container.window(file, 4, 50), container.window(file, 54, 50)
    assert first.read(10) + second.read(10) + first.read(10) == bytes(
        [*range(10), *range(50, 60), *range(10, 20)]
    )
    first.close()
    del first
    assert second.read(1) == bytes([60])
    assert not file.closed


def test_window_ends_where_the_file_ends() -> None:
    assert container.window(larger_file(), 100, 1_000).seek(0, io.SEEK_END) == 8
    assert container.window(larger_file(), 1_000, 10).seek(0, io.SEEK_END) == 0
    assert container.window(larger_file(), 100, 1_000).read() == bytes(range(96, 100)) + b"tail"
    assert container.window(larger_file(), 1_000, 10).read() == b""
    assert container.window(larger_file(), 4, 0).read() == b""


def test_containers_inside_a_larger_file() -> None:
    first, second = sealed(), sealed(binding(kind="references"))
    file = io.BytesIO(b"SUBMISSION" + first + second + b"trailer")
    out = io.BytesIO()
    for offset, part, kind in ((10, first, KIND), (10 + len(first), second, "references")):
        view = container.window(file, offset, len(part))
        container.open_container(
            view, out, me=OFFICE, opens_with=OFFICE.x_wing, agreement=AGREEMENT, kind=kind
        )
    assert out.getvalue() == CONTENT * 2
    view = container.window(file, 10, len(first) + 1)
    with pytest.raises(FormatError, match="instead of"):
        container.open_container(
            view, out, me=OFFICE, opens_with=OFFICE.x_wing, agreement=AGREEMENT, kind=KIND
        )


@pytest.mark.slow
def test_large_content_takes_little_memory(tmp_path: Path) -> None:
    length = 300 * STEP
    with (tmp_path / "content").open("wb") as file:
        file.truncate(length)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    with (tmp_path / "content").open("rb") as content, (tmp_path / "sealed").open("w+b") as out:
        bound = binding(plaintext_bytes=length)
        container.seal(content, out, binding=bound, sender=NORTH, sealed_to=OFFICE.public.x_wing)
        with (tmp_path / "opened").open("wb") as plaintext:
            container.open_container(
                out, plaintext, me=OFFICE, opens_with=OFFICE.x_wing, agreement=AGREEMENT, kind=KIND
            )
    assert (tmp_path / "opened").stat().st_size == length
    grown_kib = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before
    assert grown_kib < 64 * 1024


def test_a_head_is_verified_without_what_it_heads() -> None:
    raw = sealed()
    head = raw[: len(raw) - envelope.ciphertext_bytes(len(CONTENT))]
    for whole in (raw, head):
        assert container.verify_head(io.BytesIO(whole), agreement=AGREEMENT) == (binding(), head)
    with pytest.raises(VerificationError, match="kind is"):
        container.verify_head(io.BytesIO(head), agreement=AGREEMENT, kind="references")
    with pytest.raises(VerificationError, match="Ed25519"):
        container.verify_head(io.BytesIO(Parts.of(raw).signed_by(SOUTH, SOUTH)), agreement=AGREEMENT)
