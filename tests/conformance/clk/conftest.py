from collections.abc import Callable, Sequence

import pytest

from pprl.protocol.agreement import Agreement, ClkFeature, ClkParameters, Encoding, Identifier

KINDS = {
    "given_name": "given-name",
    "surname": "surname",
    "date_of_birth": "date-of-birth",
    "year_of_birth": "year-of-birth",
    "sex": "sex",
    "postcode": "postcode",
    "case_number": "number",
}


@pytest.fixture
def agreement_with() -> Callable[..., Agreement]:
    """An agreement of which only what encoding reads is there."""

    def build(features: Sequence[ClkFeature], *, clk_bits: int = 1024, xor_folds: int = 0) -> Agreement:
        parameters = ClkParameters(clk_bits=clk_bits, xor_folds=xor_folds, features=tuple(features))
        encoding = Encoding(scheme="clk", invalid_values="missing", min_identifiers=1, clk=parameters)
        identifiers = tuple(Identifier(name=name, kind=kind, why="A test.") for name, kind in KINDS.items())
        return Agreement.model_construct(identifier=identifiers, encoding=encoding)

    return build
