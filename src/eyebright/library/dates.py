"""Dates as people write them in a search: 2008, july 2008, 16 July, 2008-7-16, 7/2008, 20080716."""

import calendar
import re
from collections.abc import Iterator, Sequence

MONTHS = {
    name.lower(): at for names in (calendar.month_name, calendar.month_abbr) for at, name in enumerate(names) if at
} | {"sept": 9}
LONGEST = 3
"""Words of a date."""
_YEAR = re.compile(r"(?:18|19|20)\d\d")
_DAY = re.compile(r"(\d{1,2})(?:st|nd|rd|th)?")
_YEAR_FIRST = re.compile(r"((?:18|19|20)\d\d)[-/.](\d{1,2})(?:[-/.](\d{1,2}))?")
_PACKED = re.compile(r"((?:18|19|20)\d\d)(\d\d)(\d\d)")
_YEAR_LAST = re.compile(r"(?:(\d{1,2})[-/.])?(\d{1,2})[-/.]((?:18|19|20)\d\d)")
ANY_YEAR = "____"


def beginning(words: Sequence[str]) -> tuple[int, list[str]]:
    """How many of the first words are a date, and how it begins in ISO 8601, `_` for any digit; 0 where they are none.

    >>> beginning(["16", "july", "2008", "beach"]), beginning(["july"]), beginning(["7/2008"]), beginning(["dog"])
    ((3, ['2008-07-16']), (1, ['____-07']), (1, ['2008-07']), (0, []))
    """
    for count in range(min(LONGEST, len(words)), 0, -1):
        found = [one for one in readings(words[:count]) if one]
        if found:
            return count, list(dict.fromkeys(found))
    return 0, []


def readings(words: Sequence[str]) -> Iterator[str]:
    """What some words may mean, all of them together; nothing for what is no date."""
    if len(words) == 1:
        yield from of_one(words[0])
        return
    years = [word for word in words if _YEAR.fullmatch(word)]
    months = [MONTHS[word] for word in words if word in MONTHS]
    days = [int(day[1]) for day in map(_DAY.fullmatch, words) if day]
    if len(months) == 1 and len(years) <= 1 and len(days) <= 1 and len(years) + len(days) + 1 == len(words):
        yield iso(years[0] if years else ANY_YEAR, months[0], days[0] if days else None)


def of_one(word: str) -> Iterator[str]:
    """What one word may mean; 4/7/2008 is in April or in July."""
    if _YEAR.fullmatch(word):
        yield word
    elif word in MONTHS:
        yield iso(ANY_YEAR, MONTHS[word])
    elif found := _YEAR_FIRST.fullmatch(word) or _PACKED.fullmatch(word):
        yield iso(found[1], int(found[2]), int(found[3]) if found[3] else None)
    elif found := _YEAR_LAST.fullmatch(word):
        if not found[1]:
            yield iso(found[3], int(found[2]))
        else:
            yield iso(found[3], int(found[2]), int(found[1]))
            yield iso(found[3], int(found[1]), int(found[2]))


def iso(year: str, month: int, day: int | None = None) -> str:
    """Nothing for what no calendar has.

    >>> iso("2008", 7), iso("2008", 7, 16), iso("2008", 16, 7)
    ('2008-07', '2008-07-16', '')
    """
    if not 1 <= month <= 12 or (day is not None and not 1 <= day <= 31):
        return ""
    return f"{year}-{month:02}" if day is None else f"{year}-{month:02}-{day:02}"
