"""A party's two files: the key, which is secret, and the card, which is not."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from pprl.crypto.identity import Identity, is_party_id, party_card
from pprl.crypto.key_file import Passphrase, parse_key_file, to_key_file, unlock
from pprl.errors import UsageError
from pprl.files.atomic import new_files, read_secret_file

AskPassphrase = Callable[[str], Passphrase]


def read_identity(path: Path, passphrase: AskPassphrase) -> Identity:
    """Open a key file; every command that signs or opens runs this.

    Args:
        path: the key file.
        passphrase: asked once the file has been found to be a key file; takes how it is named.

    Raises:
        KeyFileError: no key file of this user's alone, damaged, or of another passphrase.
    """
    locked = parse_key_file(read_secret_file(path), where=str(path))
    return unlock(locked, passphrase(str(path)), where=str(path))


def write_identity(
    identity: Identity, folder: Path, *, passphrase: AskPassphrase, force: bool
) -> tuple[Path, Path]:
    """Write NAME.key with mode 0600 and NAME.party.toml; whoever makes an identity runs this.

    Args:
        identity: the new identity.
        folder: where the files go; made if need be.
        passphrase: asked once it is sure that the files may be written; takes the key file's name.
        force: whether files that exist are replaced.

    Returns:
        The paths of the two files.

    Raises:
        UsageError: the name can't be a party's id, or a file exists and `force` is not set.
    """
    if not is_party_id(identity.party):
        raise UsageError("A party's id is a letter, then up to 39 letters, digits, '-' or '_'.")
    folder.mkdir(parents=True, exist_ok=True)
    key_path, card_path = folder / f"{identity.party}.key", folder / f"{identity.party}.party.toml"
    for path in (key_path, card_path):
        if path.exists() and not force:
            raise UsageError(
                f"{path} exists already.", hint="Use another folder, or --force to lose the old keys."
            )
    key_file = to_key_file(identity, passphrase(str(key_path)))
    with new_files((key_path, 0o600), (card_path, 0o644), force=force) as (key, card):
        key.write(key_file)
        card.write(party_card(identity).encode())
    return key_path, card_path
