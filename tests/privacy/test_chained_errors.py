"""What an error drags along: no exception that it followed may hold a key, a secret or a record id.

A crash reporter, a debugger or a careless `logging.exception` gets hold of the whole chain.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Callable, Iterator

import pytest

from pprl import department
from pprl.crypto.key_file import Passphrase, parse_key_file, unlock
from pprl.encode.linkage_secret import from_file, to_file
from pprl.errors import FormatError, KeyFileError, PprlError, UsageError
from pprl.protocol import canonical
from tests.support.project import Project

Damage = Callable[[bytes], bytes]

DAMAGES: dict[str, Damage] = {
    "cut short": lambda raw: raw[:-1],
    "a line feed at the end": lambda raw: raw + b"\n",
    "a byte that is no text": lambda raw: raw + b"\xff",
    "spelt differently": lambda raw: raw.replace(b":", b": ", 1),
    "a comma too many": lambda raw: raw.replace(b"}", b",}"),
    "an unfinished quote": lambda raw: raw + b'"',
    "a name twice": lambda raw: raw.replace(b'"version":', b'"version":1,"version":'),
    "nested too deeply": lambda raw: raw + b"[" * 100_000,
}


def _chain(error: BaseException) -> Iterator[BaseException]:
    """An error, and all from which it came."""
    found = [error]
    for each in found:
        yield each
        found += [other for other in (each.__cause__, each.__context__) if other is not None]


def _held(error: BaseException) -> str:
    """Everything that an exception and its chain hold."""
    parts = []
    for each in _chain(error):
        own = [getattr(each, name, "") for name in ("object", "doc", "msg", "reason")]
        parts += [repr(part) for part in (each.args, vars(each) if hasattr(each, "__dict__") else "", *own)]
    return "\n".join(parts)


def test_the_search_sees_what_is_chained() -> None:
    def read() -> None:
        try:
            b"Zebedee\xff".decode()
        except UnicodeDecodeError:
            raise FormatError("damaged") from None

    with pytest.raises(FormatError) as caught:
        read()
    assert "Zebedee" in _held(caught.value)


@pytest.mark.parametrize("damage", DAMAGES)
def test_errors_about_a_secret_file_hold_nothing_of_it(project: Project, damage: str) -> None:
    raw = to_file(project.held_secret("court-dept"))
    with pytest.raises(PprlError) as caught:
        from_file(DAMAGES[damage](raw), where="x", agreement_sha256=project.agreement.sha256)
    assert json.loads(raw)["secret"][:16] not in _held(caught.value)


@pytest.mark.parametrize("damage", DAMAGES)
def test_errors_about_a_key_file_hold_nothing_of_it(project: Project, damage: str) -> None:
    raw = project.key("court-dept").read_bytes()
    with pytest.raises(PprlError) as caught:
        parse_key_file(DAMAGES[damage](raw), where="x")
    held = _held(caught.value)
    private = json.loads(raw)["private"]
    assert private[:16] not in held
    assert base64.b64decode(private).hex()[:16] not in held


def test_a_wrong_passphrase_comes_alone(project: Project) -> None:
    locked = parse_key_file(project.key("court-dept").read_bytes(), where="x")
    with pytest.raises(KeyFileError) as caught:
        unlock(locked, Passphrase("Zebedee and fourteen more"), where="x")
    assert list(_chain(caught.value)) == [caught.value]


@pytest.mark.parametrize("text", ["Zebedee", "Zebedee" * 200, "Zebedee \ud800 and fourteen more"])
def test_errors_about_a_passphrase_hold_nothing_of_it(text: str) -> None:
    with pytest.raises(UsageError) as caught:
        Passphrase(text)
    assert "Zebedee" not in _held(caught.value)
    assert list(_chain(caught.value)) == [caught.value]


@pytest.mark.parametrize(
    "damage", ["a byte that is no text", "an unfinished quote", "a line feed at the end"]
)
def test_errors_about_a_home_map_hold_nothing_of_it(project: Project, damage: str) -> None:
    raw = project.home_map("court").read_bytes()
    record_id = raw.splitlines()[1].split(b",")[1].decode()
    with pytest.raises(FormatError) as caught:
        department._read_home_map(DAMAGES[damage](raw))
    assert record_id not in _held(caught.value)
    assert list(_chain(caught.value)) == [caught.value]


@pytest.mark.parametrize("damage", DAMAGES)
def test_errors_about_a_document_come_alone(damage: str) -> None:
    raw = canonical.dumps({"name": "Zebedee", "version": 1})
    with pytest.raises(FormatError) as caught:
        canonical.loads(DAMAGES[damage](raw))
    assert list(_chain(caught.value)) == [caught.value]
    assert "Zebedee" not in _held(caught.value)
