"""What a column probably holds, told from its name alone: no value is ever looked at.

Column names are compared without case, accents or separators, so `First Name`, `first_name` and `firstName`
are one. A word that says whose value it is (`defendant_`, `home_`) or how it is written (`_text`) is set aside.
What isn't in the table is not used: guessing would send things that nobody asked for.
"""

from __future__ import annotations

import re
import unicodedata
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from pprl.protocol.agreement import is_visible
from pprl.protocol.kinds import Kind

MAX_COLUMN_NAME = 500


@dataclass(frozen=True, slots=True)
class KnownIdentifier:
    """An identifier that drafts know.

    Attributes:
        kind: its kind in the agreement.
        why: why it helps to link, in a sentence for the agreement.
        names: column names that mean it, in lower case without separators, apart by spaces.
    """

    kind: Kind
    why: str
    names: str


@dataclass(frozen=True, slots=True)
class Recognised:
    """What the header of one table says.

    Attributes:
        record_id: column that names the records at home; None if none does.
        identifiers: column by the name of the identifier that it holds, in the order of `KNOWN`.
        not_used: every other column with the reason, in the header's order.
    """

    record_id: str | None
    identifiers: Mapping[str, str]
    not_used: tuple[tuple[str, str], ...]


KNOWN: Mapping[str, KnownIdentifier] = {
    "given_name": KnownIdentifier(
        "given-name",
        "Tells apart people of one household, who often share surname and address.",
        "givenname givennames forename forenames firstname firstnames fname first given christianname"
        " firstforename forename1 firstgivenname namefirst legalfirstname",
    ),
    "middle_names": KnownIdentifier(
        "middle-names",
        "Tells apart people of the same name, where it is recorded.",
        "middlename middlenames mname middle middleinitial middleinitials secondforename"
        " forename2 othernames otherforenames othergivennames additionalnames namemiddle midinit mi",
    ),
    "surname": KnownIdentifier(
        "surname",
        "With the given name, the strongest evidence that stays the same over years.",
        "surname surnames lastname lastnames lname last familyname familynames namelast sname",
    ),
    "full_name": KnownIdentifier(
        "full-name",
        "The person's whole name, where it is not recorded in parts.",
        "fullname name names personname wholename completename firstandsurname firstandlastname forenamesurname"
        " namefull",
    ),
    "date_of_birth": KnownIdentifier(
        "date-of-birth",
        "Never changes, and one wrong digit still leaves most of it.",
        "dateofbirth dob birthdate bdate birthday datebirth dtofbirth dateborn born birthdt dobdate dtbirth",
    ),
    "year_of_birth": KnownIdentifier(
        "year-of-birth",
        "Never changes; used where the full date of birth is not there.",
        "yearofbirth yob birthyear byear yrofbirth birthyr dobyear yearborn",
    ),
    "sex": KnownIdentifier(
        "sex",
        "Tells apart twins and couples whose given names look alike.",
        "sex gender sexatbirth gendercode sexcode sexorgender mf",
    ),
    "postcode": KnownIdentifier(
        "postcode",
        "Tells apart namesakes of one age.",
        "postcode postcodes postalcode zip zipcode zip5 pcode pcd pcds postcd postzip",
    ),
    "address": KnownIdentifier(
        "address-line",
        "Tells apart namesakes of one age, where a postcode covers many homes.",
        "address addresses address1 addressline addressline1 addr addr1 addrline1 street streetaddress streetname"
        " street1 road addressstreet line1 houseandstreet streetline1",
    ),
    "town": KnownIdentifier(
        "place",
        "Weak evidence by itself; tells apart namesakes of one age.",
        "town suburb city locality village posttown townorcity towncity citytown municipality addresstown"
        " addresscity placeofresidence",
    ),
    "region": KnownIdentifier(
        "place",
        "Weak evidence by itself; tells apart namesakes of one age.",
        "county state region province statecode statecd addresscounty addressstate stateorcounty",
    ),
    "place_of_birth": KnownIdentifier(
        "place",
        "Never changes; tells apart namesakes of one age.",
        "placeofbirth birthplace pob birthtown townofbirth birthcity cityofbirth birthstate stateofbirth"
        " birthcountry countryofbirth birthregion birthloc",
    ),
    "occupation": KnownIdentifier(
        "free-text",
        "Weak evidence by itself; tells apart namesakes of one age.",
        "occupation job jobtitle profession trade occ employment",
    ),
    "national_insurance_number": KnownIdentifier(
        "number",
        "Belongs to one person for life, where it is recorded and right.",
        "nino nationalinsurancenumber nationalinsuranceno nationalinsurance ninumber nin nationalinsno",
    ),
    "social_security_number": KnownIdentifier(
        "number",
        "Belongs to one person for life, where it is recorded and right.",
        "socsecid ssn socialsecuritynumber socialsecurityno socialsecurityid socialsecurity",
    ),
    "police_number": KnownIdentifier(
        "number",
        "Given to one person by the police, where it is recorded and right.",
        "policenumber pnc pncid pncnumber pncno policeid policeno policereference cro cronumber crono",
    ),
    "prisoner_number": KnownIdentifier(
        "number",
        "Given to one person in custody, where it is recorded and right.",
        "prisonernumber prisonerno prisonerid prisonnumber prisonno nomsnumber nomsno nomsid nomisid nomisnumber",
    ),
    "nhs_number": KnownIdentifier(
        "number",
        "Belongs to one person for life, where it is recorded and right.",
        "nhsnumber nhsno nhsid chinumber",
    ),
    "pupil_number": KnownIdentifier(
        "number",
        "Belongs to one pupil, where it is recorded and right.",
        "upn uniquepupilnumber pupilnumber",
    ),
    "passport_number": KnownIdentifier(
        "number",
        "Belongs to one person for years, where it is recorded and right.",
        "passport passportnumber passportno",
    ),
    "driving_licence_number": KnownIdentifier(
        "number",
        "Belongs to one person, where it is recorded and right.",
        "drivinglicence drivinglicencenumber drivinglicenceno driverslicense driverslicensenumber"
        " driverlicensenumber drivinglicense",
    ),
    "phone": KnownIdentifier(
        "code",
        "Shared by few people, though it changes over the years.",
        "phone phonenumber phoneno telephone telephonenumber telephoneno tel telno mobile mobilenumber mobileno"
        " mobilephone cellphone phonenum fullphonenumber",
    ),
    "email": KnownIdentifier(
        "code",
        "Shared by few people, though it changes over the years.",
        "email emailaddress emailaddr",
    ),
}


def _words(text: str) -> frozenset[str]:
    return frozenset(text.split())


# Whose value it is: words in front that leave the meaning as it is.
_PEOPLE = _words(
    "defendant prisoner offender person client customer patient subject suspect accused applicant claimant pupil"
    " student employee member voter respondent user resident citizen individual detainee nominal victim witness"
    " mother father parent guardian spouse partner husband wife child kin next emergency solicitor officer judge"
    " employer contact"
)
_SOMEBODY_ELSE = _words(
    "witness mother father parent guardian spouse partner husband wife next kin emergency solicitor officer judge"
    " employer contact school company business"
)
_ASIDE_IN_FRONT = _words(
    "home current residential residence res legal latest primary main usual permanent postal mailing mail reg"
    " registered known recorded standardised standardized std clean raw cleaned correspondence the my p src"
)
_ASIDE_BEHIND = _words(
    "text txt raw str string clean cleaned std standardised standardized value desc description field col uk gb en"
    " fake iso ymd dmy yyyymmdd yyyy ddmmyyyy current recorded abbrv abbr"
)

_RECORD_IDS = _words(
    "id recordid recid rowid uniqueid uid recordno recordnumber recordref recordkey rownumber rowno rownum"
    " recordidentifier uniquerecordid recno recnum recordnum"
)
_ID_ENDINGS = ("id", "ref", "number", "reference", "no", "key", "num", "identifier")
# What many records share: its number can't name one of them.
_GROUPS = _words(
    "county state region country court prison force household family district ward school group batch file source"
    " area office station establishment address house street postcode zip"
)
_NOT_IDS = frozenset({"paid", "unpaid", "valid", "invalid", "covid"})
_NEVER = _words(
    "personid trueid trueentityid entityid cluster clusterid clusterno label labels match matches matchid matchedid"
    " matchstatus ismatch truth truthid groundtruth goldid gold groupid linkid linkageid linkagekey simulantid"
    " duplicateof originalid masterid masterpersonid personkey personref peopleid truepersonid truecluster"
)

_SAYS_WHO = "it may say who is who, which would be the answer, not evidence"
_AGE = "an age changes; a date or year of birth would do"
_ELSE = "about somebody else than the person of the record"
_UNKNOWN = "not an identifier that drafts know"


def recognise(header: Sequence[str], *, may_have_duplicates: bool) -> Recognised:
    """Tell what the columns of a table hold, from their names. Departments run this to draft an agreement.

    Args:
        header: the table's column names.
        may_have_duplicates: whether a person may have several records; then a person's number can't name one.

    Returns:
        The record id column, the columns that hold identifiers, and the others with reasons. A column may be
        both record id and identifier: whoever drafts decides which.
    """
    readings = [_read(column, header) for column in header]
    identifiers = _best_of_each([reading for reading in readings if reading.identifier])
    record_id = _record_id(header, readings, may_have_duplicates=may_have_duplicates)
    used = {*identifiers.values(), record_id}
    not_used = tuple(
        (reading.column, reading.reason or f"another column already serves as {reading.identifier}")
        for reading in readings
        if reading.column not in used
    )
    return Recognised(record_id, identifiers, not_used)


def american(header: Sequence[str]) -> bool:
    """Whether column names point to the United States, where 3/4 is the fourth of March."""
    return any({"zip", "zipcode", "ssn"} & set(words_of(column)) for column in header)


@dataclass(frozen=True, slots=True)
class _Reading:
    """One column: the identifier it holds ("" if none), how far its name is from the plain one, or why not."""

    column: str
    identifier: str = ""
    words_aside: int = 0
    person: str = ""
    reason: str = ""


def _read(column: str, header: Sequence[str]) -> _Reading:
    reason = _unusable(column, header)
    words = words_of(column)
    if not reason and "".join(words) in _NEVER:
        reason = _SAYS_WHO
    if not reason and "age" in words:
        reason = _AGE
    if reason:
        return _Reading(column, reason=reason)
    person = words[0] if len(words) > 1 and words[0] in _PEOPLE | _SOMEBODY_ELSE else ""
    for aside, name in enumerate(_shortened(words)):
        if name in _IDENTIFIER_OF:
            return _as_identifier(column, _IDENTIFIER_OF[name], aside, person)
    return _Reading(column, reason=_UNKNOWN)


def _as_identifier(column: str, identifier: str, aside: int, person: str) -> _Reading:
    if aside and person in _SOMEBODY_ELSE:
        return _Reading(column, reason=_ELSE)
    return _Reading(column, identifier, aside, person if aside else "")


def _unusable(column: str, header: Sequence[str]) -> str:
    """Why a column can't be named in an agreement at all; empty if it can."""
    if not words_of(column):
        return "its name has no letter or digit"
    if len(column) > MAX_COLUMN_NAME:
        return "its name is too long"
    if not all(map(is_visible, column)):
        return "its name holds invisible characters"
    return "several columns have this name" if Counter(header)[column] > 1 else ""


def words_of(column: str) -> tuple[str, ...]:
    """A column name's words in lower case, without accents: `homePostCode` is home, post, code."""
    plain = unicodedata.normalize("NFKD", column)
    plain = "".join(character for character in plain if not unicodedata.combining(character))
    plain = re.sub(r"([a-z0-9])([A-Z])", r"\1 \2", plain)
    return tuple(re.findall(r"[^\W_]+", plain.casefold()))


def _shortened(words: tuple[str, ...]) -> Iterator[str]:
    """The name as it is, then with more and more of the words that don't change what it means set aside."""
    yield "".join(words)
    while len(words) > 1:
        if words[-1] in _ASIDE_BEHIND or words[-1] == "1":
            words = words[:-1]
        elif words[0] in _ASIDE_IN_FRONT | _PEOPLE | _SOMEBODY_ELSE or words[:2] == ("last", "known"):
            words = words[1:] if words[0] != "last" else words[2:]
        else:
            return
        yield "".join(words)


def _best_of_each(readings: list[_Reading]) -> dict[str, str]:
    """For each identifier the column with the plainest name; of columns about two kinds of people, one kind's."""
    first_person = next((reading.person for reading in readings if reading.person), "")
    chosen: dict[str, _Reading] = {}
    for reading in readings:
        if reading.person not in ("", first_person):
            continue
        if reading.identifier not in chosen or reading.words_aside < chosen[reading.identifier].words_aside:
            chosen[reading.identifier] = reading
    return {name: chosen[name].column for name in KNOWN if name in chosen}


def _record_id(header: Sequence[str], readings: list[_Reading], *, may_have_duplicates: bool) -> str | None:
    usable = [reading.column for reading in readings if reading.reason in ("", _UNKNOWN)]
    named = [column for column in usable if "".join(words_of(column)) in _RECORD_IDS]
    if named:
        return named[0]
    if not usable or usable[0] != header[0]:
        return None
    words = words_of(header[0])
    if not (words[-1] in _ID_ENDINGS or (words[-1].endswith("id") and words[-1] not in _NOT_IDS)):
        return None
    if words[0] in _GROUPS:
        return None
    is_a_persons = words[0] in _PEOPLE or "".join(words) in _IDENTIFIER_OF
    return None if may_have_duplicates and is_a_persons else header[0]


_IDENTIFIER_OF = {name: identifier for identifier, known in KNOWN.items() for name in known.names.split()}
