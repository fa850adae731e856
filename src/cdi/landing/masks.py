"""What the landing holds in place of personal data (design 5.11): keyed hashes, bands and masks.

The hashes need the agency's secret key (`cdi.keys`). If it is lost, new hashes no longer equal old
ones, and the originals of refused rows cannot be decrypted.
"""

import re
import unicodedata
from collections.abc import Callable

import duckdb

from cdi.keys import hmac_expression
from cdi.landing.mails import MAY_BE_MAIL_AT_HOUSE, mask_mails_at_house
from cdi.landing.names import mask_announced_names, mask_names, mask_titled_names
from cdi.landing.plates import mask_plates
from cdi.landing.streets import MAY_BE_STREET, allow_wide_blanks, mask_streets
from cdi.landing.word_kinds import fold
from cdi.sql import literal

# One spelling for words of an address that people write in several ways. "Saint" and "street" share
# theirs, as both are written "st". The words of the last line say nothing and go.
ADDRESS_WORDS = {
    "st": ("street", "saint", "str"),
    "rd": ("road",),
    "av": ("ave", "avenue"),
    "ln": ("lane",),
    "dr": ("drive",),
    "cl": ("close",),
    "ct": ("court",),
    "pl": ("place",),
    "sq": ("square",),
    "tce": ("terrace", "ter"),
    "bd": ("blvd", "boulevard"),
    "pw": ("pkwy", "parkway"),
    "hw": ("hwy", "highway"),
    "": ("and", "at", "blk", "block", "near"),
}
_ADDRESS_WORD = " ".join(
    f"when w in ({', '.join(repr(variant) for variant in variants)}) then '{word}'"
    for word, variants in ADDRESS_WORDS.items()
)
# the address without the number of a flat or unit, which is a part of the same house
_HOUSE = (
    r"regexp_replace(strip_accents(lower({0})), '\b(flat|apt|unit|room)\s+\w+|#\s*\w+', '', 'g')"
)
_WORDS = (
    "array_to_string(list_sort(list_distinct(list_filter(list_transform("
    "string_split_regex({0}, '[^a-z0-9]+'), "
    f"lambda w: case {_ADDRESS_WORD} else w end), lambda w: w <> ''))), ' ')"
)
# Of an address's first part only the street's own name, as kinds of streets are cut short and house
# numbers left out.
_NO_NAMES = (
    *(word for word in ADDRESS_WORDS if word),
    *(variant for variants in ADDRESS_WORDS.values() for variant in variants),
    *("rear", "of", "outside", "opposite", "opp", "os", "the"),
)
_STREET_NAME = (
    "array_to_string(list_filter(string_split_regex({0}, '[^a-z0-9]+'), "
    f"lambda w: w not in {_NO_NAMES} and not regexp_matches(w, '[0-9]')), '')"
)
_FIRST_PART = rf"regexp_extract({_HOUSE}, '[^,]*[a-z][^,]*')"
_POSTCODE = "regexp_extract(upper({0}), '\\b([A-Z]{{1,2}}[0-9][A-Z0-9]?) ?([0-9][A-Z]{{2}})\\b'"
NORMALISED = {
    # letters only, so that O'Neil, ONeil and o-neil have the same hash
    "name": r"regexp_replace(strip_accents(lower({0})), '[^a-z]+', '', 'g')",
    # words in alphabetical order, so that A ST & B RD has the same hash as B ROAD / A STREET
    "address": _WORDS.format(_HOUSE),
    # the first part between commas that has a letter: house and street, or a junction's streets
    "address_line": _WORDS.format(_FIRST_PART),
    "street": _STREET_NAME.format(_FIRST_PART),
    "postcode": f"{_POSTCODE}, 1) || {_POSTCODE}, 2)",
    # the last ten digits: the national number, with or without the country's prefix
    "phone": r"right(regexp_replace({0}, '\D', '', 'g'), 10)",
    "birth_date": r"strftime({0}, '%Y-%m-%d')",
}


def hash_expression(kind: str, value: str) -> str:
    """SQL for the HMAC-SHA256 (hex) of a normalised value; null stays null.

    Args:
        kind: A key of `NORMALISED`.
        value: SQL expression of the value: a DATE for `birth_date`, else a text.
    """
    return hmac_expression(f"nullif({NORMALISED[kind].format(value)}, '')")


def variants_expression(part: str, value: str) -> str:
    """SQL for the hashes of a value's variants, see `cdi.landing.variants`; null stays null.

    Args:
        part: A key of `NORMALISED`.
        value: SQL expression of the value, a text.
    """
    return f"hash_variants(nullif({NORMALISED[part].format(value)}, ''))"


def age_band_expression(age: str) -> str:
    """SQL for the band of an age in years; null outside 0 to 120."""
    return (
        f"case when {age} is null or {age} < 0 or {age} > 120 then null when {age} < 10 then '0-9' "
        f"when {age} < 18 then '10-17' when {age} < 30 then '18-29' when {age} < 45 then '30-44' "
        f"when {age} < 65 then '45-64' else '65+' end"
    )


# Call takers write down what they hear on the phone: "oh one six three two ...", "jo at example dot
# org".
_DIGIT = (
    r"(?:(?:double|treble|triple)[ ,-]+)?"
    r"(?:zero|oh|nought|one|two|three|four|five|six|seven|eight|nine)(?: hundred| thousand)?"
)
_SPOKEN_NUMBER = rf"(?i)\b{_DIGIT}(?:[ ,-]+{_DIGIT}){{5,}}\b"
_HALF_SPOKEN_MAIL = r"(?i)(?:[^\s@]+ (?:dot|underscore|dash) )+[^\s@]+ at [\pL\d-]+(?:\.[\pL\d-]+)+"
_SPOKEN_MAIL = r"(?i)(?:[^\s@]+ dot )*[^\s@]+ at (?:[\pL\d-]+ dot )+[\pL]{2,}\b"
# "jo.bloggs at gmail.com": with a sign that words have not, behind a letter; "£450 at gumtree.com"
# is a sum and a shop
_MAIL_AT = (
    r"(?i)[^\s@]*\pL[^\s@]*(?:\d|[\d._+][^\s@]*[\pL\d]) at [\pL\d-]+(?:\.[\pL\d-]+)*\."
    r"(?:com|net|org|example|uk|ie|fr|pl|ro|ru|ca|au|nz|eu)\b"
)
# 212 w 9th st, 2207 E. 14TH
_NUMBERED_STREET = allow_wide_blanks(
    r"(?i)\b\d+[a-z]?,? (?:(?:[nsew]|[ns][ew]|north|south|east|west)\.? \d{1,3}(?:st|nd|rd|th)|"
    r"(?:[nsew]\.? )?\d{1,3}(?:st|nd|rd|th) (?:street|st|avenue|ave?|road|rd|place|pl))"
    r"(?: (?:street|st|avenue|ave?|road|rd|place|pl))?\b"
)
# Rose Cottage, Mill Lane
_HOUSE_NAME = allow_wide_blanks(
    r"\b(?:\p{Lu}\pL*\p{Ll}[\pL'’]* ){1,2}(?:Cottage|Farmhouse|Bungalow)\b"
    r"(?:, (?:\p{Lu}[\pL'’-]+ ){1,3}(?:Street|St|Road|Rd|Lane|Ln|Avenue|Ave|Close|Drive|Way|Row))?"
)
_FLAT = allow_wide_blanks(r"(?i)\b(?:flat|apt|apartment) \d+[a-z]?\b")
_POSTCODE_IN_TEXT = r"(?i)\b[a-z]{1,2}\d[a-z\d]? {0,2}\d[a-z]{2}\b"
# "jo @ example.org", "jo (at) example (dot) org"
_SPACED_MAIL = (
    r"(?i)[^\s@]+ ?(?:@ ?|[(\[{<]at[)\]}>] ?)[\pL\d-]+(?:(?:\.| ?[(\[{<]dot[)\]}>] ?)[\pL\d-]+)*"
    r"(?:\.| ?[(\[{<]dot[)\]}>] ?)\pL{2,}\b"
)
# "jo @ example . org"; the ends are few, as "@ the shop . he left" is no mail
_WIDE_MAIL = (
    r"(?i)[^\s@]+ ?@ ?[\pL\d-]+(?: ?\. ?[\pL\d-]+){0,2} ?\. ?"
    r"(?:com|net|org|example|co ?\. ?uk|uk|ie|fr|pl|ro|ru|ca|au|nz|eu)\b"
)
_LINK = (
    r"(?i)\b(?:(?:https?://|www\.)\S+|"
    r"(?:facebook|fb|instagram|twitter|tiktok|snapchat|linkedin|youtube|x)\.com/\S+)"
)
# Names in social media: "@jane_d84", "snapchat: jane84". Where they are announced, they must have
# a sign that words have not.
_HANDLE = r"(?i)(^|[\s(,;:])@[a-z_][\w.]{2,}"
_SAID_HANDLE = (
    r"(?i)(\b(?:snap(?:chat)?|insta(?:gram)?|facebook|fb|tik ?tok|twitter|telegram|whats ?app|"
    r"user ?name|handle|profile|discord|wechat|ig|gamertag)"
    r"(?: name| user(?: ?name)?| account| profile| id| is| was| as)*"
    r"[ :=]{1,3})[a-z][\w.-]*[\d_.#][\w.-]*\w"
)
_MONTH = (
    r"(?:jan(?:uary)?|feb(?:ruary)?|mar(?:ch)?|apr(?:il)?|may|june?|july?|aug(?:ust)?|"
    r"sept?(?:ember)?|oct(?:ober)?|nov(?:ember)?|dec(?:ember)?|"
    r"(?:jan|feb|mar|apr|may|jun|jul|aug|sep|oct|nov|dec)\pL*)\.?"
)
_MONTH_NO_WORD = r"(?:jan|feb|apr|jun|jul|aug|sept?|oct|nov|dec)"
_YEAR = r"(?:(?:19|20)\d\d|['’]\d\d)\b"
_ORDINAL = (
    r"(?:first|second|third|fourth|fifth|sixth|seventh|eighth|ninth|tenth|\pL+teenth|eleventh|"
    r"twelfth|twentieth|thirtieth|(?:twenty|thirty)[ -]\pL+)"
)
_BIRTH = r"\b(?:d ?o ?b|d[./]o[./]b\.?|date of birth|born(?: on)?)(?: the)?[ :.=-]{1,3}"
# British number plates of one word; `mask_plates` finds those of parts and all others but these:
# what has a digit where a plate is announced; and plates that are spelt.
_PLATES = r"(?i)\b[a-z]{2}\d{2}[a-z]{3}\b"
# what `mask_plates` looks at more closely: letters beside digits
_MAY_BE_PLATE = (
    r"(?i)\b(?:[a-z]{1,4}[ -]{0,2}\d{1,6}(?:\b|[a-z])|\d{1,4}[ -]{0,2}[a-z]{1,3}(?:\b|[ -]?\d))"
)
_SAID_PLATE = (
    r"(?i)(\b(?:reg|rego|registration|index|vrm|plates?|plts?|tags?|lp|lic|licen[cs]e)"
    r"(?:\.|:|/| number| no\.?| plate| is| #)* ?)\b[a-z]{0,4}[ -]?\d[a-z\d-]{1,8}"
    r"(?: (?:[a-z\d]{3}|\d[a-z\d]{0,3}))?\b"
)
_SPELT = (
    r"(?:alpha|alfa|bravo|charlie|delta|echo|foxtrot|golf|hotel|india|juliett?|kilo|lima|mike|"
    r"november|oscar|papa|quebec|romeo|sierra|tango|uniform|victor|whiskey|x-?ray|yankee|zulu)"
)
_SPELT_PLATE = rf"(?i)\b{_SPELT}(?:[ ,-]+(?:{_SPELT}|{_DIGIT}|\d)){{3,}}\b"
_THREE_WORDS = r"(?i)(?:\b(?:w3w|what ?(?:3|three) ?words)\W{1,4}|///)\pL+\.\pL+\.\pL+"
# In this order, as the former may contain the latter: a street address contains numbers. Where a
# pattern does not say enough, a function of Python has the last word.
_PATTERNS: tuple[tuple[str, str | Callable[[str], str]], ...] = (
    (r"[^\s@]+@[^\s@]+", "[email]"),
    (_SPACED_MAIL, "[email]"),
    (_WIDE_MAIL, "[email]"),
    (_HALF_SPOKEN_MAIL, "[email]"),
    (_SPOKEN_MAIL, "[email]"),
    (_MAIL_AT, "[email]"),
    (MAY_BE_MAIL_AT_HOUSE, mask_mails_at_house),
    (_LINK, "[link]"),
    (_THREE_WORDS, "[place]"),
    (_HANDLE, r"\1[handle]"),
    (_SAID_HANDLE, r"\1[handle]"),
    (r"\b\pL[\pL\d.]*_[\pL\d._]*[\pL\d]\b", "[handle]"),  # no word has such a line within
    (MAY_BE_STREET, mask_streets),
    (_NUMBERED_STREET, "[address]"),
    (_HOUSE_NAME, "[address]"),
    (_FLAT, "[address]"),
    # a licence to drive, and a number of the national insurance
    (r"\b[A-Z9]{5} ?\d{6} ?[A-Z9]{2}\d[A-Z\d]{2}\b", "[number]"),
    (r"(?i)\b[a-z]{2} ?\d{2} ?\d{2} ?\d{2} ?[a-d]\b", "[number]"),
    (_POSTCODE_IN_TEXT, "[postcode]"),
    (_SAID_PLATE, r"\1[plate]"),
    (_PLATES, "[plate]"),
    (_SPELT_PLATE, "[plate]"),
    # a bank card
    (r"\b(?:\d[ .-]?){12,18}\d\b", "[number]"),
    # of the American social security, and of a computer, which dates are parts of
    (r"\b(?:\d{3}-\d{2}-\d{4}|\d{1,3}(?:\.\d{1,3}){3})\b", "[number]"),
    (r"\d{4} ?[/.-] ?\d{1,2} ?[/.-] ?\d{1,2}", "[date]"),
    (r"\d{1,2} ?[/.-] ?\d{1,2} ?[/.-] ?\d{2,4}", "[date]"),
    (r"\b\d{1,2}[. ]{1,2}[IVX]{1,4}[. ]{1,2}(?:19|20)\d\d\b", "[date]"),
    # "25th Dec 87": what is no hour of the day is a year; "may 40" may be a verb and a number
    (rf"(?i)\b\d{{1,2}}(?:st|nd|rd|th) {_MONTH} [3-9]\d\b", "[date]"),
    (rf"(?i)\b\d{{1,2}} {_MONTH_NO_WORD} [4-9]\d\b", "[date]"),
    (rf"(?i)\b\d{{1,2}}(?:st|nd|rd|th)?(?: of)?[ .-]*{_MONTH}[ ,.-]*{_YEAR}", "[date]"),
    (rf"(?i)\b{_ORDINAL}(?: of)? {_MONTH},? {_YEAR}", "[date]"),
    (rf"(?i)\b{_MONTH} \d{{1,2}}(?:st|nd|rd|th)?,? {_YEAR}", "[date]"),
    (
        rf"(?i)({_BIRTH})(?:"
        rf"{_MONTH}[ /.-]{{0,2}}(?:\d{{1,2}}(?:st|nd|rd|th)?[ /,.-]{{1,2}})?\d{{2,4}}|\d{{1,4}}"
        rf"(?:(?:st|nd|rd|th)?(?: of)?[ /.-]*(?:{_MONTH}|\d{{1,2}})[ /.,-]*\d{{2,4}})?)\b",
        r"\1[date]",
    ),
    (r"(?:\+?\(?\d{2,5}\)?[./*-]\d{3,4}[./*-]|\b0\d{2,4} \d{3,4} )\d{3,4}\b", "[number]"),
    (r"\b\d{3}[.*]\d{4}\b", "[number]"),
    # a place, by its degrees or in the national grid
    (r"[-+]?\b\d{1,3}\.\d{4,}\b", "[place]"),
    (r"\b[A-Z]{2} \d{3,5} \d{3,5}\b", "[place]"),
    (r"\+?\(?\d[\d ()-]{4,}\d", "[number]"),
    (_SPOKEN_NUMBER, "[number]"),
)

_OTHER_NAMES: tuple[tuple[str, str | Callable[[str], str]], ...] = (
    (r"(?i)\b(?:mr|mrs|mx)[. \t][ \t]{0,3}\pL", mask_titled_names),
    # one or two capitalised words where a whole name is announced
    (r"\b(?i:(?:named|known) as|aka|a\.k\.a\.?) \p{Lu}", mask_announced_names),
    # one where a part of it is; a title of small letters counts only in front of one
    (
        r"(\b(?:(?i:name(?: is| was|:)|goes by|surname(?: is|:)?)|Miss|Ms|Dr|miss|ms|"
        r"dr) )\p{Lu}[\pL'’-]+",
        r"\1[name]",
    ),
    (r"(?i)(\b(?:née|nee) )\pL[\pL'’-]{2,}", r"\1[name]"),
    # an initial and a word that is one; N, S, E and W may be directions
    (
        r"\b(?:[BCDFGHJKLMOPQRTUVXYZ]\.?|[AI]\.) \p{Lu}[\pL'’-]*\p{Ll}[\pL'’-]*",
        "[name]",
    ),
    (
        r"(\b(?i:victim|vic|caller|compl?|ip|inft|susp|suspect|witness|wit|rp|son|daughter|male|female|"
        r"patient|pt|subj|child|juv)[ :,]{1,3}(?:(?i:adv|states|says|is) )?)(?:[A-Z]\. ?){2,3}",
        r"\1[name] ",
    ),
    # but not "called CPD"
    (r"(\b(?:[Cc]alled|[Nn]amed) )\p{Lu}['’]?\pL*\p{Ll}[\pL'’-]*", r"\1[name]"),
)

_WORD = r"[\pL'’]+"  # O'Neil's is one word,
_PART = r"\pL+"  # and its parts are O, Neil and s
# Python has another way to write a letter.
_PYTHON_WORD = re.compile(r"(?:[^\W\d_]|['’])+")
_PYTHON_PART = re.compile(r"[^\W\d_]+")
# With more names than these, a row has a text where a name should be. Each word of the log would be
# compared with each of them; a set finds it at once.
_MOST_LISTED = 100
# DuckDB refuses a pattern that is too long.
_MOST_IN_PATTERN = 1_000


def prepare_masks(con: duckdb.DuckDBPyConnection) -> None:
    """Give a connection the functions that `mask_text_expression` calls."""
    for function in (
        normalise_text,
        mask_mails_at_house,
        mask_plates,
        mask_streets,
        mask_names,
        mask_titled_names,
        mask_announced_names,
    ):
        con.create_function(function.__name__, function, ["VARCHAR"], "VARCHAR")
    con.create_function("mask_own_names", mask_own_names, ["VARCHAR", "VARCHAR"], "VARCHAR")


def normalise_text(text: str) -> str:
    """Write a text in the plainest signs, so that the patterns of the masks see what people see.

    Full-width letters and digits, blanks that do not break and ligatures become the usual ones
    (NFKC), digits of other scripts those from 0 to 9, each dash becomes a hyphen, and signs without
    a width go.
    """
    return "".join(map(_plain_sign, unicodedata.normalize("NFKC", text)))


def _plain_sign(sign: str) -> str:
    match unicodedata.category(sign):
        case "Pd":
            return "-"
        case "Nd":
            return str(unicodedata.decimal(sign))
        case "Cf":
            return ""
    return sign


def mask_text_expression(
    text: str,
    own_values: list[str],
    own_addresses: list[str] | None = None,
    own_phones: list[str] | None = None,
) -> str:
    """SQL for a free text in which personal data is masked; see `prepare_masks`.

    Args:
        text: SQL expression of the text.
        own_values: SQL expressions of the names and phones in the same row.
        own_addresses: SQL expressions of the addresses in the same row; the part before the first
            comma is masked.
        own_phones: SQL expressions of the phones in the same row, whose digits are masked in forms
            that are no number's elsewhere.
    """
    masked = _normalised_expression(text)
    for address in own_addresses or []:
        line = f"trim(split_part({_normalised_expression(address)}, ',', 1))"
        masked = (
            f"case when len({line}) > {_MOST_IN_PATTERN} "
            f"then replace({masked}, {line}, '[address]') "
            f"when len({line}) > 3 then "
            f"regexp_replace({masked}, {_whole_words_pattern(line)}, '[address]', 'g') "
            f"else {masked} end"
        )
    masked = _call_where_expression(_MAY_BE_PLATE, "mask_plates", masked)
    for pattern, mask in _PATTERNS:
        masked = _replace_expression(masked, pattern, mask)
    for phone in own_phones or []:
        masked = _mask_phone_expression(masked, phone)
    if own_values:
        masked = _mask_names_expression(
            masked, _normalised_expression(f"concat_ws(' ', {', '.join(own_values)})")
        )
    # names of people who are in no column
    masked = _call_where_expression(r"\pL{3}", "mask_names", masked)
    for pattern, mask in _OTHER_NAMES:
        masked = _replace_expression(masked, pattern, mask)
    return masked


def _normalised_expression(text: str) -> str:
    return _call_where_expression(r"[^\x00-\x7F]", "normalise_text", text)


def _call_where_expression(pattern: str, function: str, text: str) -> str:
    """SQL that calls a function of Python, which is slow, only for a text with such a sign."""
    # The text is a parameter, or else DuckDB would work it out once for each time it is named.
    return (
        f"list_transform([{text}], lambda t: case when regexp_matches(t, {literal(pattern)}) "
        f"then {function}(t) else t end)[1]"
    )


def _replace_expression(text: str, pattern: str, mask: str | Callable[[str], str]) -> str:
    if callable(mask):
        return _call_where_expression(pattern, mask.__name__, text)
    return f"regexp_replace({text}, {literal(pattern)}, '{mask}', 'g')"


def _whole_words_pattern(text: str) -> str:
    """SQL for a pattern that finds a text, but not within words: PARK, but not "parked".

    Any number of blanks and tabs may stand between its words.
    Classes of Unicode would be thirty times as slow, as DuckDB compiles the pattern for each row.
    """
    spaced = rf"regexp_replace(regexp_escape({text}), '(?:\\[ \t])+', '[ \\t]+', 'g')"
    begun = rf"regexp_replace({spaced}, '^\w', '\\b\0')"
    return rf"'(?i)' || regexp_replace({begun}, '\w$', '\0\\b')"


def _mask_phone_expression(text: str, phone: str) -> str:
    """SQL that masks the digits of a phone, whatever three signs stand between: 07700,900,123."""
    gap = "[ ,;:/.()*_-]{0,3}"
    digits = f"string_split({NORMALISED['phone'].format(_normalised_expression(phone))}, '')"
    # DuckDB compiles the pattern for each row, so only for texts in which a number is left
    return (
        f"list_transform([{text}], lambda t: "
        f"case when len({digits}) > 6 and regexp_matches(t, '(?:[0-9]{gap}){{7}}') "
        f"then regexp_replace(t, '0?' || array_to_string({digits}, '{gap}'), '[number]', 'g') "
        "else t end)[1]"
    )


def _mask_names_expression(text: str, names: str) -> str:
    """SQL that masks each word of the names on its own: "Ms Doe" as well as "Jane Doe".

    The words are looked up in a list and not searched for by a pattern, as DuckDB would have to
    compile another pattern for each row: that takes a hundred times as long.
    """
    own = (
        f"list_filter({_find_all(_WORD, _folded(names))} || {_find_all(_PART, _folded(names))}, "
        "lambda word: len(word) > 1)"
    )
    masked = (
        f"case when list_contains(own, {_folded('word')}) "
        f"or list_has_any(own, {_find_all(_PART, _folded('word'))}) then '[name]' else word end"
    )
    words_and_rest = _find_all(rf"{_WORD}|[^\pL'’]+", "t")
    # `own` and `t` are parameters: DuckDB would work them out anew for each word of the text
    return (
        f"list_transform([{text}], lambda t: list_transform([{own}], lambda own: "
        f"case when len(own) > {_MOST_LISTED} then mask_own_names(t, {names}) "
        f"else array_to_string(list_transform({words_and_rest}, lambda word: {masked}), '') end"
        ")[1])[1]"
    )


def mask_own_names(text: str, names: str) -> str:
    """Mask each word of the names on its own, as the SQL of a mask does, but for many names.

    Args:
        text: The text.
        names: Names and phones of the same row.
    """
    folded = fold(names)
    found = [*_PYTHON_WORD.findall(folded), *_PYTHON_PART.findall(folded)]
    own = {word for word in found if len(word) > 1}

    def mask_word(match: re.Match[str]) -> str:
        word = fold(match[0])
        is_own = word in own or not own.isdisjoint(_PYTHON_PART.findall(word))
        return "[name]" if is_own else match[0]

    return _PYTHON_WORD.sub(mask_word, text)


def _find_all(pattern: str, text: str) -> str:
    return f"regexp_extract_all({text}, {literal(pattern)})"


def _folded(text: str) -> str:
    """SQL for a text without case and accents."""
    return f"strip_accents(lower({text}))"


def mask_shape(text: str) -> str:
    """Keep only the shape of an unreadable row: letters and @ become x, digits become 9."""
    return "".join(
        "x" if sign.isalpha() or sign == "@" else "9" if sign.isdigit() else sign for sign in text
    )


def mask_shape_expression(text: str) -> str:
    """SQL for the shape of a text, as `mask_shape` returns it."""
    return rf"regexp_replace(regexp_replace({text}, '[\pL@]', 'x', 'g'), '\d', '9', 'g')"
