"""Made-up people of England and Wales in made-up justice records, with the truth beside them.

Nobody here is real: names, birth dates and homes are drawn at random and put together at random. The lists of
names and every frequency and error rate are our own approximations, from general knowledge of published
statistics, meant to look right and to be hard in the right places; nothing about the country should be read
off them. The same seed gives the same bytes on every machine.

`generate` makes the three tables of `pprl demo`; `linkage_pair` makes two tables with a known overlap for
experiments. `docs/synthetic-data.md` says what is made, and with which rates.
"""

from __future__ import annotations

from pprl.synthetic.justice import DEFAULT_PEOPLE, Population, generate
from pprl.synthetic.pairs import LinkagePair, linkage_pair
from pprl.synthetic.table import TRUTH_COLUMN, Table, write_csv

__all__ = [
    "DEFAULT_PEOPLE",
    "TRUTH_COLUMN",
    "LinkagePair",
    "Population",
    "Table",
    "generate",
    "linkage_pair",
    "write_csv",
]
