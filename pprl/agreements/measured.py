"""Figures from our own attacks and linkages, each said once, so that no two texts differ.

Attacks were made on encodings of this software, of generated people of England and Wales, by `make risk`
(docs/privacy.md) and for docs/decisions/0007; links of profiles were measured by `tools.calibration` on
`pprl.synthetic.linkage_pair` with 5,000 records a side, half of the people in both, error scales 1 and 3, three seeds
each. They hold for such data, and say what an attack did, never what none can do.
"""

PLAIN_CLK = (
    "in our tests, somebody who held plain CLKs, recognised 30 records and had a list with half of the people "
    "on it named 99 % of those on both"
)
NOBODY_RECOGNISED = (
    "in our tests, somebody who held plain CLKs of 5,000 people and the very same file in plain text, and recognised "
    "nobody to begin with, named every one of them"
)
ONE_OFFICE = (
    "in our tests, one place that saw how the records of all passes hang together, and held two departments' very "
    "files in plain text, named 19 % of 5,000 people and 20 % of 20,000 with one person a block; with whole blocks one "
    "file was enough to name 98 % of 50,000"
)
SPLIT_ROLES = (
    "with the roles split, fresh references for each pass and one person a block, .5 % of 20,000 people (.7 % of "
    "5,000) were named by a matcher who held the very same file in plain text"
)
WHOLE_BLOCKS = (
    "in our tests, somebody who held the very same file in plain text, and no secret, named 72 % of 20,000 people in "
    "blocks of at most 50 records, 28 % in blocks of two, and .5 % where one person's records stand for a block"
)
SEVERAL_RECORDS = (
    "in our tests, somebody who held the very same file in plain text named a third of the offences of 5,000 people, "
    "and one person in 200 where departments had joined each person's records"
)
WITH_THE_KEY = "with the linkage secret, 4,999 of 5,000 people were named from a list of them in seconds"
FOLDED = "of the encodings folded three times, the same attack named none, at the price of links lost on dirty data"
FOLDED_SPARSE = (
    "folding hides little where few bits are set: features of 600 bits folded three times from 8,192, somebody who "
    "recognised nobody and held the very file named 92 % of 5,000 people, and none where a third of the bits were set"
)
DIRTY_DATA = (
    "on generated tables F1 was 0.965 with match keys and 0.938 without, 0.971 with plain CLKs and 0.987 with "
    "profile accuracy-first; where records had three times as many mistakes, 0.885, 0.805, 0.891 and 0.944; on "
    "FEBRL 4, whose records have several mistakes each, 0.933 and 0.896, and 0.997 with plain CLKs"
)
NOT_WHOLE = (
    "in our tests, of the people who were in both tables 96 % were found if their record was whole, 75 % if it lacked "
    "an identifier, 25 % if two, and 14 % if it had no match key (87, 67, 21 and 9 % where records had three times as "
    "many mistakes)"
)
MOST_INCOMPLETE, MOST_WITHOUT_KEY = 0.15, 0.05
"""Shares of records that lack an identifier, and that have no match key, from which the price of that is told."""
FIXED_THRESHOLD = (
    "the best threshold moves with the overlap: at 0.75 and 10 % of people in common, "
    "only 79 % of links were right"
)
