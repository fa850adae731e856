"""Personal data stops at extraction (design 5.11): keyed hashes, bands, masks, encryption.

Each agency has one secret key under ``secrets/``; the hash key and the encryption key are derived
from it. Losing it means that new hashes no longer equal old ones and refused rows stay unreadable.
"""

from cdi.keys import hmac_expression

# one word for each way to write it; "saint" and "street" share theirs
ADDRESS_WORDS = {
    "st": ("street", "saint", "str"), "rd": ("road",), "av": ("ave", "avenue"), "ln": ("lane",),
    "dr": ("drive",), "cl": ("close",), "ct": ("court",), "pl": ("place",), "sq": ("square",),
    "tce": ("terrace", "ter"), "bd": ("blvd", "boulevard"), "pw": ("pkwy", "parkway"),
    "hw": ("hwy", "highway"), "": ("and", "at", "blk", "block", "near"),
}  # fmt: skip
_ADDRESS_WORD = " ".join(
    f"when w in ({', '.join(repr(other) for other in others)}) then '{word}'"
    for word, others in ADDRESS_WORDS.items()
)
# a flat or unit is a part of the same house
_HOUSE = (
    r"regexp_replace(strip_accents(lower({0})), '\b(flat|apt|unit|room)\s+\w+|#\s*\w+', '', 'g')"
)
_WORDS = (
    "array_to_string(list_sort(list_distinct(list_filter(list_transform("
    "string_split_regex({0}, '[^a-z0-9]+'), "
    f"lambda w: case {_ADDRESS_WORD} else w end), lambda w: w <> ''))), ' ')"
)
_POSTCODE = "regexp_extract(upper({0}), '\\b([A-Z]{{1,2}}[0-9][A-Z0-9]?) ?([0-9][A-Z]{{2}})\\b'"
NORMALISED = {
    # letters only, so that O'Neil, ONeil and o-neil agree
    "name": r"regexp_replace(strip_accents(lower({0})), '[^a-z]+', '', 'g')",
    # words in the order of the alphabet, so that A ST & B RD equals B ROAD / A STREET
    "address": _WORDS.format(_HOUSE),
    # the first part with a letter in it: house and street, or the streets of a junction
    "address_line": _WORDS.format(rf"regexp_extract({_HOUSE}, '[^,]*[a-z][^,]*')"),
    "postcode": f"{_POSTCODE}, 1) || {_POSTCODE}, 2)",
    # national number: the last ten digits, whatever the prefix
    "phone": r"right(regexp_replace({0}, '\D', '', 'g'), 10)",
    "birth_date": r"strftime({0}, '%Y-%m-%d')",
}


def hash_expression(kind: str, value: str) -> str:
    """SQL for HMAC-SHA256 (hex) of a normalised value; null stays null.

    Args:
        kind: A key of `NORMALISED`.
        value: SQL expression (a DATE for birth_date, else text).
    """
    return hmac_expression(f"nullif({NORMALISED[kind].format(value)}, '')")


def age_band_expression(age: str) -> str:
    """SQL for the coarse band of an age in years; null outside 0-120."""
    return (
        f"case when {age} is null or {age} < 0 or {age} > 120 then null when {age} < 10 then '0-9' "
        f"when {age} < 18 then '10-17' when {age} < 30 then '18-29' when {age} < 45 then '30-44' "
        f"when {age} < 65 then '45-64' else '65+' end"
    )


# as they are said on the phone: "oh one six three two ...", "jo at example dot org"
_DIGIT = (
    r"(?:(?:double|treble|triple)[ ,-]+)?"
    r"(?:zero|oh|nought|one|two|three|four|five|six|seven|eight|nine)"
)
_SPOKEN_NUMBER = rf"(?i)\b{_DIGIT}(?:[ ,-]+{_DIGIT}){{5,}}\b"
_SPOKEN_MAIL = r"(?i)[^\s@]+ at (?:[\pL\d-]+ dot )+[\pL]{2,}\b"
_STREET = (
    r"(?i)(?:\b(?:flat|apt|apartment|unit|room) \w+,? )?\b\d+[a-z]?,? (?:[\pL'’.-]+ ){1,3}"
    r"(?:street|st|road|rd|lane|ln|avenue|ave|close|drive|court|place|square|terrace|crescent|"
    r"gardens|grove|boulevard|blvd|parkway|highway)\b"
)
_POSTCODE_IN_TEXT = r"(?i)\b[a-z]{1,2}\d[a-z\d]? ?\d[a-z]{2}\b"
# in this order: a longer thing before what is a part of it
_PATTERNS = (
    (r"[^\s@]+@[^\s@]+", "[email]"),
    (_SPOKEN_MAIL, "[email]"),
    (_STREET, "[address]"),
    (_POSTCODE_IN_TEXT, "[postcode]"),
    (r"\d{1,2}[/.-]\d{1,2}[/.-]\d{2,4}", "[date]"),
    (r"\+?\(?\d[\d ()-]{4,}\d", "[number]"),
    (_SPOKEN_NUMBER, "[number]"),
)


def mask_text_expression(
    text: str, own_values: list[str], own_addresses: list[str] | None = None
) -> str:
    """SQL that masks free text: mail, phones, places, and the row's own names and addresses.

    Args:
        text: SQL expression of the text.
        own_values: SQL expressions of the names and phones in the same row.
        own_addresses: SQL expressions of its addresses; what stands before the first comma counts.
    """
    masked = text
    for own in own_addresses or []:
        line = f"trim(split_part({own}, ',', 1))"
        masked = (
            f"case when len({line}) > 3 then "
            f"regexp_replace({masked}, '(?i)' || regexp_escape({line}), '[address]', 'g') "
            f"else {masked} end"
        )
    for pattern, by in _PATTERNS:
        masked = _replace(masked, pattern, by)
    if own_values:
        masked = _mask_words(masked, f"concat_ws(' ', {', '.join(own_values)})")
    # people in no column: two or more capitalised words in a row
    return _replace(masked, r"\p{Lu}[\p{Ll}'’-]+(?: \p{Lu}[\p{L}'’-]+)+", "[name]")


def _replace(text: str, pattern: str, by: str) -> str:
    literal = pattern.replace("'", "''")
    return f"regexp_replace({text}, '{literal}', '{by}', 'g')"


def _mask_words(text: str, names: str) -> str:
    """SQL that masks each word of the names on its own: "Ms Doe" as well as "Jane Doe"."""
    # with apostrophes and without, the longest first; RE2's own word signs know ASCII only
    words = (
        f"list_transform(list_sort(list_transform(list_distinct(list_filter("
        f"regexp_extract_all({names}, '[\\pL''’]+') || regexp_extract_all({names}, '\\pL+'), "
        "lambda w: len(w) > 1)), lambda w: lpad(cast(len(w) as varchar), 3, '0') || w), 'desc'), "
        "lambda w: w[4:])"
    )
    pattern = f"'(?i)(^|[^\\pL])(' || array_to_string({words}, '|') || ')([^\\pL]|$)'"
    by = "'\\1[name]\\3', 'g'"
    # twice: two names in a row share the sign between them
    once = f"regexp_replace({text}, {pattern}, {by})"
    return (
        f"case when len({words}) > 0 then regexp_replace({once}, {pattern}, {by}) else {text} end"
    )


def mask_shape(text: str) -> str:
    """Keep only the shape of an unreadable row: letters and @ become x, digits 9."""
    return "".join("x" if c.isalpha() or c == "@" else "9" if c.isdigit() else c for c in text)


def mask_shape_expression(text: str) -> str:
    """SQL for what `mask_shape` gives."""
    return rf"regexp_replace(regexp_replace({text}, '[\pL@]', 'x', 'g'), '\d', '9', 'g')"
