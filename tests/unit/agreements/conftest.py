import base64
from collections.abc import Callable
from datetime import date
from pathlib import Path

import pytest

from pprl.agreements.amend import with_keys, with_rehearsal_approvals
from pprl.agreements.draft import feature_lines
from pprl.protocol.agreement import AgreementFile, PartyKeys, parse

EXAMPLES = Path(__file__).parents[3] / "configs" / "agreements"


@pytest.fixture
def today() -> date:
    return date(2026, 11, 22)


@pytest.fixture(scope="session")
def justice() -> str:
    """The large example, under scheme field-filters, without the profile and the limits that would refuse changes."""
    text = (EXAMPLES / "offence-court-prison.toml").read_text()
    before, _, after = text.partition("# Attacks on oneself.")
    without_limits = before + after[after.index("# The release.") :]
    return without_limits.replace('profile = "accuracy-first"\n', "", 1)


@pytest.fixture(scope="session")
def justice_as_clk(justice) -> str:
    """The same example under scheme clk, as a draft would put it."""
    identifiers = [(each.name, each.kind) for each in parse(justice.encode(), where="x").content.identifier]
    start = justice.index("[encoding.field_filters]")
    end = justice.index("# ----", start)
    features = "\n".join(feature_lines(identifiers))
    clk = f"[encoding.clk]\nclk_bits = 1024\nxor_folds = 0\nfeatures = [\n{features}\n]\n\n"
    return justice[:start].replace('scheme = "field-filters"', 'scheme = "clk"') + clk + justice[end:]


@pytest.fixture(scope="session")
def two_parties() -> str:
    return (EXAMPLES / "two-parties.toml").read_text()


@pytest.fixture(scope="session")
def public_keys() -> Callable[[int], PartyKeys]:
    def keys(seed: int) -> PartyKeys:
        def key(length: int) -> str:
            return base64.b64encode(bytes([seed]) * length).decode()

        return PartyKeys(
            ed25519=key(32),
            ml_dsa_65=key(1952),
            x_wing=key(1216),
            card_ed25519=key(64),
            card_ml_dsa_65=key(3309),
        )

    return keys


@pytest.fixture
def complete(justice, public_keys, today) -> str:
    """The example with keys and approvals of everybody."""
    parties = [party.id for party in parse(justice.encode(), where="x").content.party]
    text = with_keys(justice, {party: public_keys(seed) for seed, party in enumerate(parties)})
    return with_rehearsal_approvals(text, today=today)


@pytest.fixture
def changed() -> Callable[..., AgreementFile]:
    """An agreement's text with pieces of it replaced, parsed."""

    def change(text: str, *replacements: tuple[str, str]) -> AgreementFile:
        for old, new in replacements:
            assert old in text, old
            text = text.replace(old, new, 1)
        return parse(text.encode(), where="x")

    return change
