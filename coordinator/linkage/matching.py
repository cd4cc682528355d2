"""The matcher's computation: from encodings to the pairs that are not hopeless. Pure."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal, Protocol

from coordinator.linkage.budget import Budget
from coordinator.linkage.work import InMemory, Shelf
from pprl.errors import ConfigError
from pprl.protocol.agreement import AgreementFile
from pprl.protocol.framing import Bytes
from pprl.protocol.pairs import PairTable
from pprl.protocol.patterns import PatternTable
from pprl.protocol.submission import ClkHeader, Encodings, FieldFilterHeader, Wanted

if TYPE_CHECKING:
    from coordinator.linkage.engine import Engine

Progress = Callable[[str, float], None]
EngineName = Literal["local", "spark"]


class EncodingsAtHand(Protocol):
    """Encodings of a dataset that can be read again and again, pass by pass."""

    @property
    def header(self) -> ClkHeader | FieldFilterHeader:
        """Their header."""

    def passes(self, wanted: Wanted | None = None) -> Iterator[Bytes]:
        """See `EncodingsReader.passes`: of each pass the records that are wanted, by references."""


@dataclass(frozen=True, slots=True)
class Matched:
    """What the matcher has found.

    Attributes:
        content: the bytes of `pairs`; or, in scheme `field-filters`, what gives those of `patterns`, piece by piece.
        compared: pairs that were compared.
        pairs: pairs that are left.
        tables: how many of both for each pass and each two datasets.
        records: records of all datasets.
        length: bytes of the document.
        parts: how many parts it was made in, one after the other.
        blocking: for each two datasets whose pairs were too many to compare them all, how some were left out, and how
            many of those that are alike, for the matcher's report.
    """

    content: bytes | Callable[[], Iterator[bytes]] = field(repr=False)
    compared: int
    pairs: int
    tables: tuple[PairTable | PatternTable, ...]
    records: int
    length: int = -1
    parts: int = 1
    blocking: tuple[Mapping[str, Any], ...] = ()

    def __post_init__(self) -> None:
        """A document that is there has its own length."""
        if isinstance(self.content, bytes):
            object.__setattr__(self, "length", len(self.content))

    def pieces(self) -> Iterator[bytes]:
        """The bytes of the document, one after the other."""
        return iter([self.content]) if isinstance(self.content, bytes) else self.content()

    @property
    def document(self) -> bytes:
        """The whole document."""
        return b"".join(self.pieces())


def match(
    agreement: AgreementFile,
    encodings: Mapping[str, EncodingsAtHand],
    *,
    budget: Budget | None = None,
    shelf: Shelf | None = None,
    engine: EngineName = "local",
    progress: Progress,
) -> Matched:
    """Compare every two datasets, and every dataset with itself; the matcher runs this.

    Pairs inside a dataset are needed even where it has no duplicates: they show how alike different people are.

    Args:
        agreement: names the datasets, in the order of the result, and the scheme.
        encodings: of every dataset.
        budget: the most memory to use; None for three quarters of what is free.
        shelf: where what is finished is kept, so that a run that was stopped goes on; None for memory.
        engine: what compares the records of a pass, on this machine or on Spark.
        progress: told what is compared, and the share of it that is done.

    Raises:
        ConfigError: there is no such engine for the scheme, or Spark is not to be had.

    Leaks: to the key issuer, which references are alike, and how much.
    """
    if agreement.content.encoding.scheme == "clk":
        from coordinator.linkage import match_clk  # noqa: PLC0415 - each scheme loads its own libraries

        if engine != "local":
            raise ConfigError("Scheme clk is compared on one machine.", hint="Leave '--engine' out.")
        whole = {name: _whole(each) for name, each in encodings.items()}
        return match_clk.match(agreement, whole, progress=progress)
    from coordinator.linkage import match_field_filters  # noqa: PLC0415

    with _engine(engine) as pass_pairs:
        return match_field_filters.match(
            agreement,
            encodings,
            budget=Budget.of_machine() if budget is None else budget,
            shelf=InMemory() if shelf is None else shelf,
            progress=progress,
            engine=pass_pairs,
        )


@contextmanager
def _engine(name: EngineName) -> Iterator[Engine]:
    if name == "spark":
        from coordinator.linkage.spark import spark_engine  # noqa: PLC0415 - an extra

        with spark_engine() as pass_pairs:
            yield pass_pairs
    else:
        from coordinator.linkage import engine  # noqa: PLC0415 - compiles

        yield engine.pass_pairs


def _whole(encodings: EncodingsAtHand) -> Encodings:
    return (
        encodings if isinstance(encodings, Encodings) else Encodings.of(encodings.header, encodings.passes())
    )
