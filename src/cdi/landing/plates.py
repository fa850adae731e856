"""Finds number plates that need more than a pattern: "FP 17 OWX" is one, "IN 10 MIN" is none.

A British plate with blanks or hyphens is found by its form, if neither of its parts is a word;
Irish, Indian and German ones by the codes of their counties, states and districts. Any other row of
letters and digits (a plate of an American state, a personal one) is one only close behind a
vehicle, a make or model, a colour, a state, or a word such as TAG. Numbers of calls, units, roads,
weapons, times and models stay.
"""

import re

from cdi.landing.word_kinds import BRANDS, PERSONS, PLACES, ROLES, fold, read_known_words

PLATE = "[plate]"

_SEPARATOR = r"[ -]{0,2}"
_BRITISH = re.compile(
    rf"(?<![\w-])([a-hj-pr-y]{{2}})({_SEPARATOR})(\d{{2}}){_SEPARATOR}([a-hj-pr-z]{{3}})"
    r"(?![\w-])",
    re.IGNORECASE,
)
# half-years since September 2001
_AGE = re.compile(r"0[2-9]|[1267]\d|5[1-9]")
# before 2001
_OLD_BRITISH = re.compile(
    r"(?<![\w-])(?:[A-Z]\d{1,3} ?([A-Z]{3})|([A-Z]{3}) ?\d{1,3}[A-Z])(?![\w-])"
)
_IRISH = re.compile(
    r"(?<![\w/-])\d{2}[12]?(?:"
    r"-(?:C[ENW]?|DL?|G|K[EKY]|L[DHKMS]?|M[HNO]|OY|RN|SO|T[NS]?|W[DHWX]?)-\d{1,6}|"
    r" ?(?:C[ENW]|DL?|K[EKY]|L[DHKMS]|MO|OY|RN|SO|TN|W[DHWX]) ?\d{3,6}"
    r")(?![\w/-])"
)
_INDIAN = re.compile(
    r"(?<![\w-])(?:a[nprs]|br|c[gh]|d[dln]|g[aj]|h[pr]|j[hk]|k[al]|ld|m[hlnpz]|nl|od|p[by]|rj|sk|t[gnrs]|u[kp]|wb)"
    r"[ -]?\d{1,2}[ -]?(?!am|pm|hr|st|nd|rd|th)[a-z]{1,3}[ -]?\d{4}(?![\w-])",
    re.IGNORECASE,
)
_GERMAN = re.compile(r"(?<![\w-])[A-ZÄÖÜ]{1,3}-[A-ZÄÖÜ]{1,2} \d{1,4}[EH]?(?![\w-])")
# letters and digits of five to eight signs, as one word or in parts
_ANY = re.compile(
    r"(?<![\w.@#$£€:/'’-])(?:"
    r"[A-Z]{3}[ -]{1,2}\d{2}[ ]\d{2}|"
    r"[A-Z]{1,3}[ -]\d{2,3}[ -][A-Z]{2,3}|"
    r"\d{1,3}[ -]{1,2}[A-Z]{1,3}[ -]{1,2}\d{1,4}|"
    r"[A-Z]{2}[ -]\d{2}[ -][A-Z]{2}[ -]\d{4}|"
    r"[A-Z]{2,4}[ -]{1,2}\d{2,5}[A-Z]{0,3}|"
    r"[A-Z][ -]{1,2}\d{4,6}|"
    r"\d{1,4}[ -]{1,2}[A-Z]{2,3}|"
    r"(?=[A-Z]*\d)[A-Z0-9]{2,4}[ -]{1,2}[A-Z]{3}|"
    r"(?=[A-Z]*\d)(?=\d*[A-Z])[A-Z0-9]{5,8}"
    r")(?![\w@:/'’-]|[.,]\d)",
    re.IGNORECASE,
)
_LONG_NUMBER = re.compile(r"\d{6}")
_LETTERS = re.compile(r"[a-z]+", re.IGNORECASE)
_MEASURE = re.compile(
    r"\d+(?:am|pm|hrs?|hours?|mins?|secs?|yrs?|yoa?|yo|ft|in|cm|mm|km|kg|g|lbs?|ml|l|mph|kph|k|m|x|st|nd|rd|th|cc|gb|"
    r"w?d|dr|door|up|days?|wks?|w|p|v|cal|ga|gauge|pax|s)\d{0,2}",
    re.IGNORECASE,
)
# what makers call their models: F-150, CBR600RR, XC90, 330d
_MODEL = re.compile(
    r"(?:[a-hj-z]|rav|cx|xc|cr|hr|mx|gt|gs|es|is|ls|rx|gx|nx|lx|ct|gl[abces]?|sl|ml|cl[ask]|amg|tt|rs|sq|ram|silverado|sierra|"
    r"express|econoline|cbr|cb|gsx|gsxr|yzf|yz|ybr|mt|crf|kx|klx|klr|zx|zzr|er|sv|dr|drz|rm|xr|xl|wr|pcx|ktm|tdi)"
    r"[ -]?\d{1,4}[a-z]{0,3}",
    re.IGNORECASE,
)
_BEFORE = re.compile(r"[^\W_]+(?:[-'’/][^\W_]+)*|[.;\n]|(?<= )/(?= )")

_VEHICLES = PLACES["vehicles"] | PLACES["makes"] | PLACES["models"]
_ANNOUNCING = PLACES["plates"] | PLACES["states"]
_STATE_CODES, _COLOURS, _NUMBERED = PLACES["state_codes"], PLACES["colours"], PLACES["numbered"]
_NO_PLATE = ROLES["directions"] | ROLES["street_ends"] | {"st", "rd", "ln", "i"}
_NO_LETTERS = BRANDS | _COLOURS  # BLU 2014 HONDA
_MOST_WORDS_BETWEEN = 4
_CONTEXT = 60


def mask_plates(text: str) -> str:
    """Mask number plates that a pattern alone cannot tell from other numbers.

    Args:
        text: A text in which nothing is masked yet, as other masks take parts of plates.
    """
    text = _BRITISH.sub(_mask_british, text)
    text = _OLD_BRITISH.sub(_mask_old_british, text)
    for pattern in (_IRISH, _INDIAN):
        text = pattern.sub(PLATE, text)
    text = _GERMAN.sub(_mask_german, text)
    return _ANY.sub(_mask_any, text)


def _is_word(letters: str) -> bool:
    folded = fold(letters)
    return folded in read_known_words() or folded in _NUMBERED or folded in PERSONS


def _mask_british(match: re.Match[str]) -> str:
    area, separator, age, last = match.groups()
    if area.isupper() != last.isupper() or (separator and not _AGE.fullmatch(age)):
        return match[0]
    if _is_word(last):
        is_plate = not separator and area.isupper() and not _is_word(area)
    else:
        is_plate = not _is_word(area) or _is_near_vehicle(match)
    return PLATE if is_plate else match[0]


def _mask_old_british(match: re.Match[str]) -> str:
    # in parts it may be a road or a model, and a word: M62 AND, X5 AND
    return match[0] if " " in match[0] and _is_word(match[1] or match[2]) else PLATE


def _mask_german(match: re.Match[str]) -> str:
    letters, number = match[0].split(" ")
    parts = [part for part in letters.split("-") if len(part) > 1]
    if any(map(_is_word, parts)) or (len(number) < 3 and not _is_near_vehicle(match)):
        return match[0]
    return PLATE


def _mask_any(match: re.Match[str]) -> str:
    signs = re.sub(r"[ -]", "", match[0])
    if not 5 <= len(signs) <= 8 or _MEASURE.fullmatch(signs) or _MODEL.fullmatch(match[0]):
        return match[0]
    letters = _LETTERS.findall(match[0])
    if any(_is_word(part) or fold(part) in _NO_LETTERS for part in letters if len(part) > 1):
        return match[0]
    # a direction, the end of a street, or an interstate road
    if fold(letters[0]) in _NO_PLATE or fold(letters[-1]) in _NO_PLATE:
        return match[0]
    if _LONG_NUMBER.search(match[0]):  # of a case
        return match[0]
    return PLATE if _is_near_vehicle(match) else match[0]


def _is_near_vehicle(match: re.Match[str]) -> bool:
    """Whether a vehicle stands before, and no word that announces another number."""
    start = match.start()
    before = _BEFORE.findall(match.string, max(start - _CONTEXT, 0), start)
    for distance, word in enumerate(reversed(before)):
        folded = fold(word)
        if word in ".;\n/" or folded in _NUMBERED or distance > _MOST_WORDS_BETWEEN:
            return False
        if folded in _VEHICLES or folded in _ANNOUNCING:
            return True
        if distance == 0 and folded in _COLOURS:
            return True
        if distance == 0 and word.isupper() and folded in _STATE_CODES:
            return not _is_word(word) or _is_near_vehicle_word(before)
    return False


def _is_near_vehicle_word(before: list[str]) -> bool:
    return any(fold(word) in _VEHICLES | _COLOURS for word in before[-5:])
