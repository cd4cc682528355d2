"""Attacks by encodings: made up so that they resemble everybody, or so that what is counted of them says more."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from typing import Any

import numpy as np

from pprl.errors import DisclosureError, FormatError
from pprl.protocol import agreement as agreements
from pprl.protocol import submission
from pprl.protocol.agreement import AgreementFile
from pprl.protocol.filter_bits import most_bits
from pprl.protocol.submission import Blocked
from tests.attacks.registry import Attack, cut, remove
from tests.support.project import draft_text

MOST_OF_A_BLOCK = 50


@cache
def drafted() -> AgreementFile:
    """An agreement on scheme field-filters, as it is drafted."""
    return agreements.parse(draft_text("field-filters").encode(), where="agreement.toml")


@cache
def whole() -> AgreementFile:
    """An agreement on scheme clk, as it is drafted."""
    return agreements.parse(draft_text("clk").encode(), where="agreement.toml")


def shape() -> tuple[int, int]:
    """How many filters a record has, and how many bytes one of them."""
    return submission.filters_of(
        drafted()
    ), drafted().content.encoding.field_filter_parameters.filter_bits // 8


def usual(records: int = 2) -> np.ndarray[Any, np.dtype[np.uint8]]:
    """Filters as values set them: the most bits that each kind sets."""
    content, (count, width) = drafted().content, shape()
    parameters = content.encoding.field_filter_parameters
    most = most_bits([*content.kinds().values()], parameters.filter_bits, parameters.positions_per_field)
    one = np.zeros((count, width * 8), dtype=np.uint8)
    for place, bits in enumerate(most):
        one[place, :bits] = 1
    return np.tile(np.packbits(one, axis=1), (records, 1, 1))


def sent(change: Callable[[Any], None]) -> Callable[[], Any]:
    def attempt() -> Any:
        filters = usual()
        submission.require_no_wildcards(filters.reshape(len(filters), -1), drafted())
        change(filters)
        return submission.require_no_wildcards(filters.reshape(len(filters), -1), drafted())

    return attempt


def every_bit(filters: Any) -> None:
    filters[0] = 255


def one_full_filter(filters: Any) -> None:
    filters[0, 0] = 255


def one_bit(filters: Any) -> None:
    filters[0, 0] = 0
    filters[0, 0, 0] = 1


def no_bit(filters: Any) -> None:
    filters[0] = 0


def blocks(tags: list[int], *, present: int | None = None) -> Any:
    """The matcher looks at a pass whose records have these tags."""
    filters, (count, _) = usual(len(tags)), shape()
    mask = np.full(len(tags), 2**count - 1 if present is None else present, np.uint32)
    ids = np.array([[tag] * submission.TAG_BYTES for tag in tags], np.uint8)
    submission._require_agreed_masks(Blocked(ids, mask, filters))
    return submission._require_agreed_blocks(ids, MOST_OF_A_BLOCK)


def one_large_block() -> Any:
    return blocks([7] * (MOST_OF_A_BLOCK + 1))


def false_mask() -> Any:
    return blocks([1, 2], present=1)


def one_tag_for_two_records() -> Any:
    """A department gives two records one match key, so that the one that is not the person may be linked first."""
    return submission._require_tags_once(np.full((2, 1, submission.TAG_BYTES), 7, np.uint8))


def same_filters_in_two_blocks() -> Any:
    """A department does not salt by the block, and the matcher can count how often a name is there."""
    filters, (count, _) = usual(2), shape()
    tags = np.array([[tag] * submission.TAG_BYTES for tag in (1, 2)], np.uint8)
    records = Blocked(tags, np.full(2, 2**count - 1, np.uint32), filters)
    return submission.require_no_structure(
        submission.payload_of(records), drafted().content.dataset[0], drafted()
    )


def whole_filters_that_resemble_each_other() -> Any:
    """A department sends whole filters that are not folded, though the agreement refuses visible structure."""
    privacy = whole().content.privacy.model_copy(update={"visible_structure": "refuse"})
    agreement = AgreementFile(whole().content.model_copy(update={"privacy": privacy}), whole().raw)
    rng = np.random.default_rng(1)
    people = rng.random((200, 1024)) < 0.5 * rng.random((5, 1024)).repeat(40, axis=0)
    return submission.require_no_structure(
        np.packbits(people, axis=1), agreement.content.dataset[0], agreement
    )


def in_one_table(tables: list[Any]) -> Any:
    return submission._require_apart(tables)


def one_reference_in_two_passes() -> Any:
    """A department gives a record one reference in all passes, so that the matcher can lay them over each other."""
    ids = np.frombuffer(bytes(range(32)), np.uint8).reshape(2, 16)
    return in_one_table([ids, ids])


EMPTY = cut(submission, "require_no_wildcards", "has no bit set", number=1)
SHARE = cut(submission, "require_no_wildcards", "max_popcount_share", number=2)
MOST = cut(submission, "_require_bits_of_a_value", "more bits set than a value", number=3)
LEAST = cut(submission, "_require_bits_of_a_value", "fewer bits set than a value", number=4)
BLOCK = cut(submission, "_require_agreed_blocks", "max_block_records")
TAGS = cut(submission, "_require_tags_once", "stands twice")
SALTED = cut(submission, "_require_salted_by_block", "in several blocks", number=2)
STRUCTURE = cut(submission, "require_no_visible_structure", "do not pass as random bits", number=1)
MASK = cut(submission, "_require_agreed_masks", "does not have the filters")

ATTACKS = (
    Attack("every bit set", "an encoding that is like everybody's",
           sent(every_bit), DisclosureError, "max_popcount_share", [SHARE, MOST]),
    Attack("one filter full", "an encoding that is like everybody's in one identifier",
           sent(one_full_filter), DisclosureError, "more bits set than a value", [MOST]),
    Attack("one bit set", "a filter that is part of most others, as if it were their beginning",
           sent(one_bit), DisclosureError, "fewer bits set than a value", [LEAST]),
    Attack("no bit set", "a record without anything in it, which is equal to every other such one",
           sent(no_bit), DisclosureError, "no bit set", [EMPTY]),
    Attack("a block that is too large", "a department leaves in a block whose size tells which name it is",
           one_large_block, DisclosureError, "max_block_records", [BLOCK]),
    Attack("filters not salted by block", "the same filters stand in several blocks, and show how frequent values are",
           same_filters_in_two_blocks, DisclosureError, "in several blocks", [SALTED]),
    Attack("encodings with visible structure", "whole filters are sent in which the same people can be found again",
           whole_filters_that_resemble_each_other, DisclosureError, "do not pass as random bits", [STRUCTURE]),
    Attack("a false mask", "a record says that filters are empty which aren't",
           false_mask, FormatError, "does not have the filters", [MASK]),
    Attack("one match key for two records", "a department gives a made-up record the match key of another one",
           one_tag_for_two_records, DisclosureError, "stands twice", [TAGS]),
    Attack("one reference in two passes", "a record has one reference in all passes, and so can be followed",
           one_reference_in_two_passes, FormatError, "reference",
           [remove(submission.framing, "require_distinct")]),
)  # fmt: skip
