"""Statements made from ClickHouse's grammar, as an analyst might write them, with forbidden sources planted in them.

The grammar is templates: ``<text>`` stands for anything that yields a text, and so on. Most of what a template is
filled with is honest, so that a good share of the statements is what a guard must accept; ``<source>`` yields what no
analyst may read. Sources stand wherever the engine evaluates, and in every text that it parses later: structures,
types, names of functions, names of tables.

Words in braces are the test's: {secret} a file beside the database, {planted} a file that is not there, {port} a socket
that counts who connects. ``other`` is another database.
"""

from __future__ import annotations

import re
from typing import Any, Final, NamedTuple

from hypothesis import strategies as st

__all__ = ["CARRIERS", "FILE_READ", "STATEMENT", "VALUES", "WAYS", "Statement"]

ODD_NAMES: Final = ["b$", "a$b$", "$a$", "a$", "$$", "x$1$"]
VALUES: Final = {
    **dict.fromkeys(ODD_NAMES, "x"),
    "n": "x", "p": "(1)", "q": "('x',1)", "d": "other", "t": "t", "s": "system", "ss": "server_settings", "f": "file",
    "l": "labels",
    "path": "{secret}", "type": "String", "structure": "a UInt8, b String ALIAS file('{secret}')",
}  # fmt: skip
"""Values of the parameters."""
WAYS: Final = ("body", "address", "form", "parts")
"""How a statement and its parameters travel."""

FILE_READ: Final = "file('{secret}')"
EVIL_STRUCTURE: Final = "'a UInt8, b String ALIAS file(''{secret}'')'"

RULES: Final[dict[str, list[str]]] = {
    "text": [
        "lower(<text>)", "concat(<text>,<space><text>)", "if(1, <text>, <text>)", "CAST(<text> AS String)",
        "CAST(<text>, <type>)", "accurateCastOrNull(<text>, <type>)", "(<text>)::String", "(SELECT <text>)",
        "any(<text>) OVER (ORDER BY <text>)", "arrayStringConcat(<array>)", "(<array>)[1]", "(<text>, 1).1",
        "tupleElement(tuple(<text>, 1), 1)", "tupleElement(CAST((<text>, 1), 'Tuple(a String, b UInt8)'), 'a')",
        "JSONExtract('{\"a\": \"b\"}', 'a', <type>)", "JSONExtractString(concat('{\"a\": \"', <text>, '\"}'), 'a')",
        "toTypeName(<text>)", "arrayFold((acc, x) -> concat(acc, <text>), <array>, <text>)",
        "toString(arrayReduce(<aggregate>, <array>))",
        "toString(finalizeAggregation(initializeAggregation(<state>, <text>)))",
        "CASE WHEN <text> = 'a' THEN <text> ELSE <text> END", "map('k', <text>)['k']", "coalesce(NULL, <text>)",
        "materialize(<text>)", "toString(<text> IN (SELECT <text>))", "toString(<text> IN (<text>, <text>))",
        "toString(exists(SELECT <text>))", "toString(arrayExists(x -> x = <text>, <array>))",
        "substring(<text>, 1 + length(<text>))", "variantElement(CAST('a', 'Variant(String, UInt8)'), <type>)",
        "toString((SELECT count() FROM <table>))", "(SELECT <text> FROM <table> LIMIT 1)",
        "toString({q:Tuple(x String, y UInt8)})", "(WITH <text> AS z SELECT z)", "toString(<text> AS `y y`)",
        "toString(defaultValueOfTypeName(<type>))", "<text> || <text>",
        "toString(tuple(<text>, <text>) = tuple('a', 'b'))",
        "toString(dateTrunc(<unit>, toDate('2020-01-01')))",
    ],
    "array": [
        "[<text>]", "[<text>, <text>]", "arrayMap(<function>, <array>)", "arrayFilter(x -> x != <text>, <array>)",
        "arraySort(x -> <text>, <array>)", "splitByChar(',', <text>)", "arrayConcat(<array>, <array>)",
        "(SELECT groupArray(<text>) FROM numbers(2))", "mapValues(map('a', <text>))",
        "JSONExtract('[\"a\"]', 'Array(String)')", "array(<text>)", "[tuple(<text>, 1).1]",
    ],
    "table": [
        "(SELECT <text> AS a)", "(SELECT <text> AS a)", "view(SELECT <text> AS a)",
        "(SELECT <text> AS a UNION ALL SELECT <text>)", "(WITH c AS (SELECT <text> AS a) SELECT * FROM c)",
        "(SELECT 'l' AS a) AS m ARRAY JOIN <array> AS j", "(SELECT <text> AS a) AS m LEFT ARRAY JOIN <array> AS j",
        "(SELECT <text> AS a) AS m ANY LEFT JOIN (SELECT <text> AS a) AS r USING (a)",
        "labels AS m CROSS JOIN <table> AS r", "(SELECT * FROM <table>) AS q", "values(<structure>, ('x'))",
        "(SELECT <text> AS a FROM <table> LIMIT 2)", "numbers(1 + length(<text>) % 3)",
    ],
    "items": ["<text>", "<text> AS e", "<text>,<space><text>", "*", "*, <text>", "1 AS <name>, <text>"],
    "select": [
        "SELECT<space><items> FROM <table> LIMIT 5", "SELECT <items> FROM <table> LIMIT 5", "SELECT <text>",
        "SELECT<space><text>,<space><source>,<space><text>",
        "FROM <table> SELECT <items> LIMIT 5", "WITH <text> AS w SELECT w",
        "WITH <name> AS (SELECT <text> AS e) SELECT e FROM <name>",
        "WITH w AS (SELECT <text> AS e) SELECT e FROM w",
        "WITH RECURSIVE r AS (SELECT <text> AS e UNION ALL SELECT e FROM r WHERE 0) SELECT e FROM r",
        "WITH (x -> concat(x, <text>)) AS lower SELECT lower('a')",
        "SELECT <text> AS e FROM <table> WHERE <text> != <text> ORDER BY <text> LIMIT 5",
        "SELECT <text> AS e FROM labels PREWHERE a != <text> ORDER BY e DESC LIMIT 5 OFFSET 0",
        "SELECT toFloat64(1) AS n, <text> AS e ORDER BY n WITH FILL FROM 0 TO 3 INTERPOLATE (e AS <text>)",
        "SELECT <text> AS e FROM <table> QUALIFY row_number() OVER (ORDER BY <text>) = 1 LIMIT 5",
        "SELECT <text> AS e, count() FROM <table> GROUP BY e WITH TOTALS HAVING e != <text> LIMIT 5",
        "SELECT DISTINCT ON (e) <text> AS e FROM <table> LIMIT 5", "SELECT * FROM <table> LIMIT 1 BY <text>",
        "SELECT COLUMNS('.*') APPLY(<apply>) FROM (SELECT <text> AS a)",
        "SELECT * APPLY(<apply>) FROM (SELECT <text> AS a)",
        "SELECT * REPLACE (<text> AS a) FROM (SELECT <text> AS a)",
        "SELECT * EXCEPT (b) FROM (SELECT <text> AS a, <text> AS b)",
        "SELECT any(<text>) OVER w FROM labels WINDOW w AS (PARTITION BY <text> ORDER BY <text>)",
        "SELECT a, a AS b FROM (SELECT <text> AS a) WHERE b != <text>",
        "SELECT * FROM labels SAMPLE 1 / 2 WHERE a != <text>",
        "SELECT <text> IN <table>", "SELECT grouping(e) FROM (SELECT <text> AS e) GROUP BY GROUPING SETS ((e))",
    ],
    "statement": [
        "<select><ending>", "<select><ending>", "<select><ending>", "<select><ending>", "<select><ending>",
        "(<select>) UNION ALL (<select>)<ending>", "(<select>) INTERSECT (<select>)", "(<select>) EXCEPT (<select>)",
        "EXPLAIN <explain><select>", "SELECT * FROM (EXPLAIN <explain><select>)", "DESCRIBE <table>",
        "DESCRIBE (<select>)",
        "SHOW <show>", "EXISTS TABLE <named>", "SHOW CREATE TABLE <named>", "SHOW COLUMNS FROM <named>",
        "SELECT * FROM <named> LIMIT 5<ending>",
    ],
}  # fmt: skip
"""What a word may be made of."""

LEAVES: Final[dict[str, list[str]]] = {
    "text": [
        "'a'", "''", "'it''s'", "'\\''", "'$a$'", "{n:String}", "'‘$’'", "'file(x)'", "currentDatabase()", "'a -- b'",
        "$t$ a, file('x') $t$", "$$a$$", "toString(1)", "'\u00a0'", "'/*'", "toString([1])", "toString((1, 'a'))",
        "'x'",
        "toString(NULL)", "lower('A')", "toString(DATE '2020-01-01')", "toString(1::UInt8)", "'\\x41'", "hex('a')",
        "<source>", "<source>", "<odd>",
    ],
    "array": ["['a']", "['a', 'b']", "[<text>]"],
    "table": [
        "labels", "labels", "numbers(2)", "system.one", "zeros(3)", "generateSeries(1, 3)", "information_schema.tables",
        "values('a String', 'x')", "values((1, 'x'), (2, 'y'))", "{l:Identifier}", "(SELECT 1 AS a)", "system.tables",
        "<forbidden table>",
    ],
    "type": [
        "'String'", "'String'", "'String'", "'Nullable(String)'", "'LowCardinality(String)'", "'String'", "'string'",
        "concat('Str', 'ing')", "{type:String}", "'String ALIAS file(''{secret}'')'", "<source>",
        "'Nested(a String DEFAULT file(''{secret}''))'", "'AggregateFunction(groupFormat(''Template''), String)'",
    ],
    "aggregate": [
        "'any'", "'max'", "'groupArray'", "'uniqExact'", "'anyOrNull'", "'groupFormat(''Template'')'",
        "concat('an', 'y')",
        "'any(file(''{secret}''))'", "any", "<source>",
    ],
    "state": ["'anyState'", "'maxState'", "'uniqState'", "'groupFormatState(''CSV'')'", "<source>"],
    "function": [
        "lower", "upper", "`lower`", "x -> <text>", "x -> concat(x, <text>)", "(x) -> lower(x)", "reverse",
        "file", "`file`", "{f:Identifier}", "x -> file('{secret}')",
    ],
    "apply": [
        "lower", "x -> concat(x, <text>)", "toString", "length", "quantiles(0.5)", "count",
        "file", "x -> <source>", "defaultValueOfTypeName",
    ],
    "structure": [
        "'a String'", "'a String'", "'a Nullable(String)'", "'a LowCardinality(String), b UInt8'",
        EVIL_STRUCTURE, "'a String DEFAULT file(''{secret}'')'", "{structure:String}", "<source>",
    ],
    "named": [
        "labels", "{l:Identifier}", "system.tables", "system.one", "`labels`", "other.t", "other.`t`",
        "{d:Identifier}.t",
        "system.server_settings", "system.{ss:Identifier}", "default.t", "`{secret}`", "`other.t`",
        "INFORMATION_SCHEMA.TABLES",
    ],
    "show": ["TABLES", "TABLES LIKE 'l%'", "FUNCTIONS LIKE 'file'", "SETTING max_threads", "DATABASES",
    "TABLES FROM other",
             "TABLES WHERE name = <source>", "PROCESSLIST", "CREATE DATABASE other", "TABLES FROM system"],
    "explain": ["", "AST ", "SYNTAX ", "PLAN ", "header = 1 ", "PIPELINE ", "ESTIMATE ", "QUERY TREE ",
    "indexes = 1, actions = 1 ",
                "QUERY TREE run_passes = 0 ", "SYNTAX oneline = 1 ", "max_memory_usage = 0 ", "CURRENT TRANSACTION "],
    "ending": ["", "", "", "", "", "", " FORMAT CSV", " FORMAT JSONEachRow", ";", " -- ", "\n# it's",
               " SETTINGS max_memory_usage = 0", " INTO OUTFILE '{planted}'", " FORMAT Template"],
    "unit": ["'month'", "'day'", "<source>"],
    "space": [" ", " ", "\n", "\t", "/**/", "/* /* */ */", "-- '\n", "# '\n", "\u00a0", "\u3000", " /* $a$ */ "],
    "name": ["c", "file", "lower", "`a$`", "system", "other", "labels", "`x y`"],
    "odd": [*(f"{{{name}:String}}" for name in ODD_NAMES), *(f"{{p:Tuple({name} UInt8)}}" for name in ODD_NAMES),
            *(f"1 AS {name}" for name in ODD_NAMES), *(f"${name}$ ' ${name}$" for name in ODD_NAMES), *ODD_NAMES],
    "forbidden table": [
        "other.t", "`other`.t", "{d:Identifier}.{t:Identifier}", "system.server_settings",
        "{s:Identifier}.server_settings",
        "file('{secret}', 'LineAsString')", "url('http://127.0.0.1:{port}/x', 'LineAsString')", "merge('other', 't')",
        "remote('127.0.0.1:{port}', 'other.t')", "view(SELECT * FROM other.t)", "default.t", "`{secret}`", "'{secret}'",
        "format(LineAsString, <source>)", "format(Values, 'a String', '(file(''{secret}''))')", "input('a String')",
        f"values({EVIL_STRUCTURE}, (1))", "system.one AS o JOIN other.t AS r ON 1 = 1", "dictionary('other.d')",
        "dictionary(other.d)", "merge(REGEXP('other'), 't')", "mergeTreeIndex(other, t)",
        "executable('cat', 'TSV', 'a String')",
        "view(SELECT a FROM other.t FINAL)", "sqlite('{secret}', 't')", "null('a String DEFAULT file(''{secret}'')')",
    ],
    "source": [
        FILE_READ, "FILE('{secret}')", "`file`('{secret}')", "\"file\"/**/('{secret}')", "file({path:String})",
        "file(concat('{secret}', ''))",
        "(SELECT a FROM other.t)", "(SELECT a FROM {d:Identifier}.{t:Identifier})",
        "toString((SELECT groupArray(name) FROM system.server_settings))",
        "toString((SELECT groupArray(name) FROM {s:Identifier}.{ss:Identifier}))",
        "arrayMap(x -> file(x), ['{secret}'])[1]",
        "arrayMap(file, ['{secret}'])[1]", "(SELECT * APPLY(file) FROM (SELECT '{secret}'))",
        "arrayFold((acc, x) -> file(x), ['{secret}'], '')",
        f"(SELECT b FROM values({EVIL_STRUCTURE}, (1)))", f"(SELECT b FROM generateRandom({EVIL_STRUCTURE}) LIMIT 1)",
        "(SELECT a FROM format(Values, 'a String', '(file(''{secret}''))'))",
        f"(SELECT b FROM format(JSONEachRow, {EVIL_STRUCTURE}, '{{}}'))", "(SELECT a FROM merge('other', 't'))",
        "(SELECT a FROM loop(other.t) LIMIT 1)", "(SELECT line FROM file('{secret}', 'LineAsString', 'line String'))",
        "toString(hasColumnInTable('127.0.0.1:{port}', 'u', 'p', 'd', 't', 'c'))", "dictGet('other.d', 'v', 1)",
        "dictGet(other.d, 'v', 1)",
        "dictGetOrDefault('other.d', 'v', 2, file('{secret}'))", "joinGet('other.j', 'v', 1)",
        "joinGet(other.j, 'v', 1)",
        "(SELECT v FROM dictionary('other.d'))", "(WITH c AS (SELECT a FROM other.t) SELECT a FROM c)",
        "(WITH (x -> file(x)) AS lower SELECT lower('{secret}'))",
        "(SELECT y FROM (SELECT '{secret}' AS x, file(x) AS y))",
        "(SELECT a FROM (SELECT 1 AS n) AS m CROSS JOIN other.t)", "(SELECT a FROM `other`.`t` AS labels)",
    ],
}  # fmt: skip
"""What a word is where nothing more is to be made."""

CARRIERS: Final = [
    "SELECT <>", "SELECT * FROM (SELECT <> AS a)", "WITH <> AS w SELECT w", "WITH (SELECT <>) AS w SELECT w",
    "WITH w AS (SELECT <> AS a) SELECT a FROM w", "SELECT a FROM view(SELECT <> AS a)",
    "SELECT x FROM labels ARRAY JOIN [<>] AS x", "SELECT arrayMap(x -> <>, [1])",
    "SELECT arrayFold((acc, x) -> <>, [1], '')",
    "SELECT any(<>) OVER ()", "SELECT number, any(s) FROM (SELECT 1 AS number, <> AS s) GROUP BY number WITH TOTALS",
    "SELECT * REPLACE (<> AS a) FROM labels", "SELECT COLUMNS('a') APPLY(x -> <>) FROM labels",
    "SELECT * APPLY(x -> <>) FROM labels",
    "SELECT toFloat64(1) AS n, '' AS e ORDER BY n WITH FILL FROM 0 TO 3 INTERPOLATE (e AS <>)",
    "SELECT 1 AS a UNION ALL SELECT length(a) FROM labels UNION ALL SELECT throwIf(1, <>)",
    "SELECT s FROM labels AS m CROSS JOIN (SELECT <> AS s) AS r WHERE a != s",
    "FROM (SELECT <> AS a) SELECT a", "SELECT CAST(<> AS String)", "SELECT (<>, 1).1", "SELECT map('a', <>)['a']",
    "SELECT transform('a', ['a'], [<>], '')", "SELECT CASE WHEN 1 THEN <> ELSE '' END",
    "SELECT JSONExtractString(concat('{\"a\":\"', <>, '\"}'), 'a')",
    "WITH RECURSIVE r AS (SELECT <> AS a UNION ALL SELECT a FROM r WHERE 0) SELECT a FROM r",
    "SELECT DISTINCT ON (a) <> AS a", "SELECT <> AS e QUALIFY row_number() OVER (ORDER BY e) = 1",
    "SELECT arrayStringConcat(arraySort([<>]))", "SELECT (SELECT (SELECT (SELECT <>)))",
    "(SELECT <>) EXCEPT (SELECT '')",
    "EXPLAIN QUERY TREE SELECT <>", "EXPLAIN PLAN actions = 1 SELECT <>",
    "SELECT e FROM (SELECT <> AS e) GROUP BY GROUPING SETS ((e))",
    "SELECT any(e) OVER w FROM (SELECT <> AS e) WINDOW w AS (ORDER BY e)",
]  # fmt: skip
"""Statements that show what stands for ``<>`` where nothing hinders them."""

DEPTH_MAX: Final = 3
_WORD: Final = re.compile(r"<([a-z][a-z ]*)>")


class Statement(NamedTuple):
    """A statement, and how it and its parameters travel: one of ``WAYS``."""

    sql: str
    way: str = "body"


def filled(draw: Any, word: str, depth: int) -> str:
    """A piece of a statement that a word of the grammar stands for."""
    rules, leaves = RULES.get(word, []), LEAVES.get(word, [])
    grows = bool(rules) and (not leaves or (depth > 0 and draw(st.integers(0, 2)) > 0))
    template = draw(st.sampled_from(rules if grows else leaves))
    return _WORD.sub(lambda inner: filled(draw, inner[1], depth - grows), template)


@st.composite
def statements(draw: Any) -> Statement:
    """Any statement of the grammar, sent in any way."""
    return Statement(filled(draw, "statement", DEPTH_MAX), draw(st.sampled_from(WAYS)))


STATEMENT: Final = statements()
