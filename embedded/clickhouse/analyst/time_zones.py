"""Finds the time zones that a statement names, which must be literals with known names.

The engine loads a zone once for each spelling, and never frees its table of several megabytes. It accepts any path
(``file:/…``, ``Europe//Berlin``), so a statement could open files, and fill the memory of the process with spellings of
one zone. A process therefore loads a bounded number of zones for ``analyst``.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any, Final

from embedded.clickhouse.http.protocol import RefusedRequest
from embedded.clickhouse.sql_text import tokens

__all__ = ["ZONE_FROM", "has_zone_in_name", "is_fixed_offset", "zone_refused", "zones_of_arguments", "zones_of_type"]

ZONED_TYPES: Final = frozenset({"datetime", "datetime32", "datetime64", "timestamp"})
_ZONE_IN_NAME: Final = re.compile(
    r"(?<![a-z0-9_])(?:datetime(?:32|64)?|timestamp)(?![a-z0-9_]).*['$]", re.DOTALL | re.IGNORECASE
)
_FIXED: Final = re.compile(r"Fixed/UTC[+-](?:0[0-9]|1[0-4]):(?:00|15|30|45):00")
_MAKES_DATE: Final = re.compile(r"todate\w*|now(?:64)?|today|yesterday", re.IGNORECASE)

ZONE_FROM: Final = {
    **dict.fromkeys(("now", "nowinblock"), 0),
    **dict.fromkeys(
        (
            "date", "fromunixtimestamp64micro", "fromunixtimestamp64milli", "fromunixtimestamp64nano",
            "fromunixtimestamp64second", "fromutctimestamp", "now64", "nowinblock64", "parsedatetime32besteffort",
            "parsedatetime32besteffortornull", "parsedatetime32besteffortorzero", "parsedatetimebesteffort",
            "parsedatetimebesteffortornull", "parsedatetimebesteffortorzero", "parsedatetimebesteffortus",
            "parsedatetimebesteffortusornull", "parsedatetimebesteffortusorzero", "timeslot", "timezoneoffset",
            "todate", "todate32", "todatetime", "todatetime32", "todatetimeordefault", "todatetimeornull",
            "todatetimeorzero", "todayofmonth", "todayofyear", "todaysinmonth", "todayssinceyearzero", "tohour",
            "toisoweek", "toisoyear", "tolastdayofmonth", "tomicrosecond", "tomillisecond", "tominute", "tomonday",
            "tomonth", "tomonthnumsinceepoch", "tonanosecond", "toquarter", "torelativedaynum", "torelativehournum",
            "torelativeminutenum", "torelativemonthnum", "torelativequarternum", "torelativesecondnum",
            "torelativeweeknum", "torelativeyearnum", "tosecond", "tostartofday", "tostartoffifteenminutes",
            "tostartoffiveminutes", "tostartofhour", "tostartofisoyear", "tostartofmicrosecond",
            "tostartofmillisecond", "tostartofminute", "tostartofmonth", "tostartofnanosecond", "tostartofquarter",
            "tostartofsecond", "tostartoftenminutes", "tostartofyear", "tostring", "totime", "totimewithfixeddate",
            "totimezone", "tounixtimestamp", "toutctimestamp", "toyear", "toyearnumsinceepoch", "toyyyymm",
            "toyyyymmdd", "toyyyymmddhhmmss", "uuidv7todatetime", "yyyymmddhhmmsstodatetime",
        ),
        1,
    ),
    **dict.fromkeys(
        (
            "adddays", "addhours", "addmicroseconds", "addmilliseconds", "addminutes", "addmonths", "addnanoseconds",
            "addquarters", "addseconds", "addweeks", "addyears", "datename", "datetrunc", "formatdatetime",
            "formatdatetimeinjodasyntax", "fromunixtimestamp", "fromunixtimestampinjodasyntax", "parsedatetime",
            "parsedatetime64", "parsedatetime64besteffort", "parsedatetime64besteffortornull",
            "parsedatetime64besteffortorzero", "parsedatetime64besteffortus", "parsedatetime64besteffortusornull",
            "parsedatetime64besteffortusorzero", "parsedatetime64injodasyntax", "parsedatetime64injodasyntaxornull",
            "parsedatetime64injodasyntaxorzero", "parsedatetime64ornull", "parsedatetime64orzero",
            "parsedatetimeinjodasyntax", "parsedatetimeinjodasyntaxornull", "parsedatetimeinjodasyntaxorzero",
            "parsedatetimeornull", "parsedatetimeorzero", "snowflakeidtodatetime", "snowflakeidtodatetime64",
            "subtractdays", "subtracthours", "subtractmicroseconds", "subtractmilliseconds", "subtractminutes",
            "subtractmonths", "subtractnanoseconds", "subtractquarters", "subtractseconds", "subtractweeks",
            "subtractyears", "todatetime64", "todatetime64ordefault", "todatetime64ornull", "todatetime64orzero",
            "todayofweek", "tolastdayofweek", "tostartofinterval", "tostartofweek", "toweek", "toyearweek", "tumble",
            "tumbleend", "tumblestart", "yyyymmddhhmmsstodatetime64",
        ),
        2,
    ),
    **dict.fromkeys(("age", "datediff", "hop", "hopend", "hopstart"), 3),
    "makedatetime": 6,
    "makedatetime64": 8,
}  # fmt: skip
"""Functions, in lower case, that take a time zone, each with the index of the first argument that may be one."""


def zones_of_arguments(name: str, first: int, arguments: list[dict[str, Any]]) -> Iterator[str]:
    """The literal time zones in a call; raises RefusedRequest for an expression that could make one."""
    for argument in arguments[first:]:
        node_type, value = argument.get("type"), argument.get("value")
        if node_type == "Literal":
            if isinstance(value, dict) and value.get("field_type") == "String":
                yield str(value.get("value"))
        elif node_type != "Function" or not _MAKES_DATE.fullmatch(str(argument.get("name"))):
            reason = f"{name}() with a time zone, or what stands in its place, that is no literal"
            raise zone_refused(f"may not use {reason}")


def zones_of_type(text: str) -> Iterator[str]:
    """The time zones within a type, or within a list of columns.

    >>> list(zones_of_type("Tuple(DateTime64(3, 'UTC'), Enum8('x' = 1))"))
    ['UTC']
    """
    heads = [""]
    before = ""
    for token in tokens(text.encode("utf-8", "replace")):
        if token.text == "(":
            heads.append(before.lower())
        elif token.text == ")":
            heads = heads[:-1] or [""]
        elif token.kind == "string" and heads[-1] in ZONED_TYPES:
            yield token.text[1:-1]
        before = token.text


def has_zone_in_name(name: str) -> bool:
    """Whether a column's name ends with a type that has a time zone, as the name of a subcolumn may."""
    return _ZONE_IN_NAME.search(name) is not None


def is_fixed_offset(zone: str) -> bool:
    """Whether a time zone is an offset from UTC as the engine spells it.

    >>> is_fixed_offset("Fixed/UTC+05:30:00"), is_fixed_offset("Fixed/UTC+05:31:00")
    (True, False)
    """
    return _FIXED.fullmatch(zone) is not None


def zone_refused(what: str) -> RefusedRequest:
    """The refusal of a time zone; ``what`` says what may not be used."""
    reason = f"analyst: Not enough privileges: {what}; a time zone is a text, one of system.time_zones."
    return RefusedRequest(497, "ACCESS_DENIED", reason)
