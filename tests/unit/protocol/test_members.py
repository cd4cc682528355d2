"""Members of JSON objects, read strictly."""

from __future__ import annotations

from typing import Any

import pytest

from pprl.protocol import members


@pytest.mark.parametrize(
    ("text", "raw"), [("", b""), ("QQ==", b"A"), ("QUI=", b"AB"), ("+/+/", b"\xfb\xff\xbf")]
)
def test_base64_in_its_one_spelling(text: str, raw: bytes) -> None:
    assert members.bytes_in(text) == raw


@pytest.mark.parametrize(
    "text",
    [
        "QR==",
        "QUJ=",
        "QQ",
        "QQ=",
        "Q Q==",
        "QQ==\n",
        "-_-_",
        "QQ==QQ==",
        "é",
        None,
        7,
        True,
        b"QQ==",
        ["QQ=="],
    ],
)
def test_no_other_spelling_is_taken_for_a_secret(text: Any) -> None:
    assert members.bytes_in(text) == b""
