"""Writing a party's two files: the key, which is secret, and the card, which is not."""

from __future__ import annotations

import re
from pathlib import Path

from pprl.crypto.identity import Identity, party_card, to_key_file
from pprl.errors import UsageError
from pprl.files.atomic import new_files


def write_identity(identity: Identity, folder: Path, *, force: bool) -> tuple[Path, Path]:
    """Write NAME.key with mode 0600 and NAME.party.toml; whoever makes an identity runs this.

    Returns:
        The paths of the two files.

    Raises:
        UsageError: the name can't be a party's id, or a file exists and `force` is not set.
    """
    if not re.fullmatch(r"[A-Za-z][A-Za-z0-9_-]{0,39}", identity.party):
        raise UsageError("A party's id is a letter, then up to 39 letters, digits, '-' or '_'.")
    folder.mkdir(parents=True, exist_ok=True)
    key_path, card_path = folder / f"{identity.party}.key", folder / f"{identity.party}.party.toml"
    for path in (key_path, card_path):
        if path.exists() and not force:
            raise UsageError(
                f"{path} exists already.", hint="Use another folder, or --force to lose the old keys."
            )
    with new_files((key_path, 0o600), (card_path, 0o644), force=force) as (key_file, card_file):
        key_file.write(to_key_file(identity))
        card_file.write(party_card(identity).encode())
    return key_path, card_path
