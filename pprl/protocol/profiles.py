"""Profiles: one name for parameters that go together, so that figures measured for the name hold for the agreement.

An agreement that names a profile keeps its rules, or is refused when it is read. One that names none chooses its
parameters freely, within its scheme.

    accuracy-first      scheme field-filters; matcher and key issuer are two parties, and one person stands for a
                        block: its figures rest on both
    privacy-first       scheme clk, 2,048 bits folded three times, every identifier by blake with bits_per_feature;
                        it may have match keys
    clkhash-compatible  scheme clk as existing deployments of clkhash use it: not folded, and without match keys

Source: docs/formats/clk.md, "Profiles"; docs/decisions/0007.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from types import MappingProxyType
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from pprl.protocol.agreement import Agreement, Scheme

Profile = Literal["accuracy-first", "privacy-first", "clkhash-compatible"]

SCHEME_OF: Mapping[Profile, Scheme] = MappingProxyType(
    {"accuracy-first": "field-filters", "privacy-first": "clk", "clkhash-compatible": "clk"}
)
"""The scheme that each profile is of."""

FOLDED_BITS, FOLDS = 2048, 3
"""Bits of an encoding of profile privacy-first, and how often it was folded: each bit is the xor of eight."""

Breach = tuple[str, tuple[int | str, ...]]
"""The rule that is broken, and the path of the key that breaks it."""


def breaches(agreement: Agreement) -> Iterator[Breach]:
    """Where an agreement breaks the rules of the profile that it names. `agreement.parse` runs this.

    Args:
        agreement: one whose roles are filled.

    Yields:
        Each rule that is broken; nothing where no profile is named.
    """
    profile = agreement.encoding.profile
    if profile is None:
        return
    if agreement.encoding.scheme != SCHEME_OF[profile]:
        yield f"profile {profile} is of scheme {SCHEME_OF[profile]}", ("encoding", "scheme")
        return
    yield from _RULES[profile](agreement)


def _accuracy_first(agreement: Agreement) -> Iterator[Breach]:
    for index, party in enumerate(agreement.party):
        if {"matcher", "key-issuer"} <= set(party.roles):
            rule = (
                "profile accuracy-first needs matcher and key issuer to be two parties: "
                "give one role to another, or take out encoding.profile"
            )
            yield rule, ("party", index, "roles")
    if not agreement.encoding.field_filter_parameters.one_person_a_block:
        yield "profile accuracy-first has true", ("encoding", "field_filters", "one_person_a_block")


def _privacy_first(agreement: Agreement) -> Iterator[Breach]:
    clk = agreement.encoding.clk_parameters
    if clk.clk_bits != FOLDED_BITS:
        yield f"profile privacy-first has {FOLDED_BITS}", ("encoding", "clk", "clk_bits")
    if clk.xor_folds != FOLDS:
        yield f"profile privacy-first has {FOLDS}", ("encoding", "clk", "xor_folds")
    for index, feature in enumerate(clk.features):
        path = ("encoding", "clk", "features", index)
        if feature.hash != "blake":
            yield 'profile privacy-first has "blake"', (*path, "hash")
        if feature.bits_per_feature is None:
            yield "profile privacy-first has bits_per_feature instead", (*path, "bits_per_token")


def _clkhash_compatible(agreement: Agreement) -> Iterator[Breach]:
    if agreement.encoding.clk_parameters.xor_folds:
        yield "profile clkhash-compatible has 0", ("encoding", "clk", "xor_folds")
    if agreement.encoding.clk_parameters.match_keys:
        yield "profile clkhash-compatible has none: take them out", ("encoding", "clk", "match_keys")


_RULES: Mapping[Profile, Callable[[Agreement], Iterator[Breach]]] = MappingProxyType(
    {
        "accuracy-first": _accuracy_first,
        "privacy-first": _privacy_first,
        "clkhash-compatible": _clkhash_compatible,
    }
)
