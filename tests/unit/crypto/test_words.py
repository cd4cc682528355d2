from __future__ import annotations

import hashlib
from pathlib import Path

import mnemonic
import pytest
from mnemonic import Mnemonic

from pprl.crypto.words import WORDS, words

LIST = Path(mnemonic.__file__).with_name("wordlist") / "english.txt"


def test_the_word_list_is_that_of_bip_39() -> None:
    # The repository bitcoin/bips holds this file as bip-0039/english.txt.
    assert hashlib.sha256(LIST.read_bytes()).hexdigest() == (
        "2f5eed53a4727b4bf8880d8f3f199efc90e58503646d9ff8eff3a2ed3b24dbda"
    )


@pytest.mark.parametrize(
    ("entropy", "spelt"),
    [
        ("00" * 16, "abandon " * 11 + "about"),
        ("7f" * 16, "legal winner thank year wave sausage worth useful legal winner thank yellow"),
        ("80" * 16, "letter advice cage absurd amount doctor acoustic avoid letter advice cage above"),
        ("ff" * 16, "zoo " * 11 + "wrong"),
    ],
)
def test_bip_39s_own_vectors(entropy: str, spelt: str) -> None:
    assert Mnemonic("english").to_mnemonic(bytes.fromhex(entropy)) == spelt


@pytest.mark.parametrize("text", [b"", b"agreement"])
def test_words_are_the_stretched_digest_bit_by_bit(text: bytes) -> None:
    digest = hashlib.sha256(text).digest()
    stretched = hashlib.scrypt(digest, salt=b"pprl/v1/words", n=2**15, r=8, p=1, dklen=16, maxmem=2**26)
    bits = f"{int.from_bytes(stretched, 'big'):0128b}" + f"{hashlib.sha256(stretched).digest()[0]:08b}"[:4]
    listed = LIST.read_text("ascii").split()
    assert words(digest) == " ".join(listed[int(bits[at : at + 11], 2)] for at in range(0, 132, 11))


def test_one_bit_makes_other_words() -> None:
    first, second = words(bytes(32)).split(), words(bytes(31) + b"\1").split()
    assert len(first) == len(second) == WORDS
    assert sum(one == other for one, other in zip(first, second, strict=True)) < 3
