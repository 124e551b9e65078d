"""What an analyst's statement may hold: the text as the engine writes it, and the tree as the engine reads it."""

from __future__ import annotations

from typing import Any

import pytest

from embedded.clickhouse.analyst.readonly_guard import Reader, check_analyst, check_settings, with_identifiers
from embedded.clickhouse.analyst.readonly_guard import check_text as check_text_within
from embedded.clickhouse.analyst.statement_tree import FunctionRow, Grants, check_tree, functions_allowed
from embedded.clickhouse.analyst.text_arguments import is_structure
from embedded.clickhouse.http.protocol import RefusedRequest

GRANTS = Grants(
    database="w",
    databases=frozenset({"w", "other", "default", "system", "information_schema"}),
    functions=frozenset({"lower", "count", "sum", "lambda"}),
    aggregates=frozenset({"count", "sum"}),
    combinators=("if", "array", "state"),
)
TOKENS_MAX = 50_000


def check_text(text: str) -> None:
    check_text_within(text, TOKENS_MAX)


def code_of(check: Any, *arguments: Any) -> int:
    with pytest.raises(RefusedRequest) as refusal:
        check(*arguments)
    return refusal.value.code


def test_dollar_signs_stand_only_in_quotes() -> None:
    """A $ in a word, in a parameter's name or type, or as a heredoc is refused; in quotes it is a character."""
    for text in (
        "SELECT {a$b$:String}, file('/etc/passwd'), {a$b$:String}",
        "SELECT {p:Tuple(a$b$ UInt8)}",
        "SELECT 1 FROM {a$b:Identifier}.processes",
        "SELECT a$b",
        "SELECT $$x$$",
        "SELECT $1",
        "SELECT x.$y",
    ):
        assert code_of(check_text, text) == 497
    check_text("SELECT `a$b$`, '$$ $a$' FROM t")


def test_parameters_have_known_names_and_types() -> None:
    """A parameter is a plain name and a type made of those on the list, elements of a Tuple by name among them."""
    for type_name in (
        "String",
        "Array(Tuple(a UInt8, Enum8('x' = -1)))",
        "DateTime64(3, 'UTC')",
        "Map(String, Nullable(Int8))",
    ):
        check_text(f"SELECT {{p:{type_name}}}")
    for parameter in (
        "p:AggregateFunction(sum, UInt8)",
        "p:Strin",
        "p:Tuple(a b UInt8)",
        "p",
        "'a':1",
        "p:Array(",
        "p:`x`",
    ):
        assert code_of(check_text, f"SELECT {{{parameter}}}") == 497


def test_first_words_and_settings() -> None:
    """Only statements that read pass, and none that has SETTINGS anywhere."""
    for text in ("INSERT INTO t VALUES (1)", "DROP TABLE t", "SET a = 1", "KILL QUERY WHERE 1"):
        assert code_of(check_text, text) == 164
    for text in ("", "SELEC 1", "x"):
        assert code_of(check_text, text) == 62
    for text in (
        "SELECT 1 SETTINGS a = 1",
        "SELECT * FROM (SELECT 1 SETTINGS a = 1)",
        "EXPLAIN SELECT 1 SETTINGS a = 1",
    ):
        assert code_of(check_text, text) == 164
    assert code_of(check_settings, {"max_memory_usage": "0", "allow_ddl": "1"}) == 164
    check_settings({"max_result_rows": "1000000"})


def test_identifiers_are_filled_in_where_they_are_parameters() -> None:
    """A name that comes as a parameter is checked as if it stood there; inside a text nothing is filled in."""
    filled = with_identifiers("SELECT {a:Identifier}.x, '{a:Identifier}', {b:String}", {"a": "t"})
    assert filled == "SELECT `t`.x, '{a:Identifier}', {b:String}"
    for value in ("", "a.b", "a`b", "ü"):
        assert code_of(with_identifiers, "SELECT {a:Identifier}", {"a": value}) == 497


def function(name: str, **more: Any) -> dict[str, Any]:
    return {"type": "Function", "name": name, **more}


def table(*parts: str) -> dict[str, Any]:
    return {
        "type": "TableExpression",
        "database_and_table_name": {"type": "TableIdentifier", "name_parts": list(parts)},
    }


REFUSED = [
    ({"type": "SomethingNew"}, 497),
    ({"type": "SetQuery", "changes": [{"name": "header"}]}, 164),
    ({"type": "SelectWithUnionQuery", "settings_ast": {"type": "SetQuery", "changes": []}}, 164),
    ({"type": "ExplainQuery", "kind": "EXPLAIN", "query": {"type": "SelectQuery", "a": {"type": "SetQuery"}}}, 164),
    ({"type": "SelectWithUnionQuery", "out_file": {"type": "Literal"}}, 497),
    (function("file"), 497),
    (function("FiLe"), 497),
    (function("fileIf"), 497),
    (function("lower", arguments={"type": "ExpressionList", "children": [function("file")]}), 497),
    (function("lower", deep=[{"a": [{"b": function("file")}]}]), 497),
    ({"type": "TableExpression", "table_function": function("lower")}, 497),
    ({"type": "TableExpression", "table_function": function("url")}, 497),
    ({"type": "ColumnsApplyTransformer", "func_name": "file"}, 497),
    ({"type": "ColumnsApplyTransformer", "lambda": function("lambda", arguments=function("file"))}, 497),
    (table("other", "t"), 497),
    (table("system", "processes"), 497),
    (table("information_schema", "nope"), 497),
    (table("a", "b", "c"), 497),
    ({"type": "Identifier", "name_parts": ["system", "processes"]}, 497),
    ({"type": "Identifier", "name_parts": ["other", "t"]}, 497),
    ({"type": "ShowTablesQuery", "merges": True}, 497),
    ({"type": "ShowTablesQuery", "from": {"type": "Identifier", "name": "other"}}, 497),
    ({"type": "ShowColumnsQuery", "table": "t", "where_expression": function("lower")}, 497),
    ({"type": "ExplainQuery", "kind": "EXPLAIN TABLE OVERRIDE"}, 497),
]  # fmt: skip


@pytest.mark.parametrize(("node", "code"), REFUSED)
def test_no_depth_of_a_tree_hides_what_is_not_allowed(node: dict[str, Any], code: int) -> None:
    """A node, a name or a setting that is not on the lists is refused at the top, and wherever it hangs."""
    assert code_of(check_tree, node, GRANTS) == code
    # EXPLAIN's own settings may only stand in EXPLAIN itself.
    nested = {"type": "SelectQuery", "anything": [[{"type": "ExpressionList", "children": [node]}]]}
    assert code_of(check_tree, nested, GRANTS) == code


def test_what_is_on_the_lists_passes() -> None:
    """Tables of the request's database, of the schema, functions with combinators, EXPLAIN's own settings."""
    query = {"type": "SelectQuery", "a": [function("sumIf"), function("LOWER"), function("countArrayState")]}
    tables = [table("t"), table("w", "t"), table("system", "tables"), table("information_schema", "TABLES")]
    columns = {"type": "Identifier", "name_parts": ["alias", "column"]}
    explained = {"type": "SetQuery", "changes": [{"name": "indexes", "value": {"field_type": "UInt64", "value": 1}}]}
    explain = {"type": "ExplainQuery", "kind": "EXPLAIN", "settings": explained, "query": query}
    for node in (query, *tables, columns, explain, {"type": "ShowTablesQuery", "databases": True}):
        check_tree({"type": "SelectWithUnionQuery", "list": [node], "format_ast": {"type": "Identifier"}}, GRANTS)
    assert (
        check_tree({"type": "SelectQuery", "format_ast": {"type": "Identifier", "name": "CSV"}}, GRANTS).format == "CSV"
    )


def test_a_tree_that_gives_another_text_is_not_run() -> None:
    """What the engine makes of the tree must be the statement: nothing may be in the one and not in the other."""
    tree = b'{"type":"SelectQuery","select":{"type":"Literal","value":1}}'
    faithful = Reader(lambda sql: sql, lambda _sql: (tree, "SELECT (1)"))
    assert check_analyst("SELECT 1", {}, GRANTS, faithful, TOKENS_MAX).sql == "SELECT 1"
    assert code_of(check_analyst, "SELECT 1, file('x')", {}, GRANTS, faithful, TOKENS_MAX) == 48
    broken = Reader(lambda sql: sql, lambda _sql: (b"{", "SELECT 1"))
    assert code_of(check_analyst, "SELECT 1", {}, GRANTS, broken, TOKENS_MAX) == 48
    deep = Reader(lambda sql: sql, lambda _sql: (b'{"a":' * 100_000, "SELECT 1"))
    assert code_of(check_analyst, "SELECT 1", {}, GRANTS, deep, TOKENS_MAX) == 48


def test_functions_are_those_on_the_lists() -> None:
    """An alias goes with what it stands for, but not that of a function that takes a text; the rest is refused."""
    rows = [
        FunctionRow("lower", False, ""),
        FunctionRow("lcase", False, "lower"),
        FunctionRow("sum", True, ""),
        FunctionRow("groupFormat", True, ""),
        FunctionRow("CAST", False, ""),
        FunctionRow("castAgain", False, "CAST"),
        FunctionRow("file", False, ""),
        FunctionRow("newThing", False, ""),
        FunctionRow("newAggregate", True, ""),
    ]
    functions, aggregates = functions_allowed({row.name: row for row in rows})
    assert {"lower", "lcase", "sum", "cast"} <= functions
    assert functions.isdisjoint({"groupformat", "castagain", "file", "newthing", "newaggregate"})
    assert aggregates == {"sum"}


@pytest.mark.parametrize(
    "text",
    [
        "a UInt8, b String ALIAS file('x')", "a String DEFAULT 'x'", "a UInt8) ALIAS (b String",
        "a AggregateFunction(x)",
        "a String CODEC(NONE)", "a String /* */", "a String, `b` UInt8", "a file('x')", "a String; b",
    ],
)  # fmt: skip
def test_a_structure_is_names_and_types(text: str) -> None:
    """What is more than a list of names and known types is no structure."""
    assert is_structure("a UInt8, b Array(Tuple(x String, y Enum8('p' = -1))), c DateTime64(3, 'Europe/Berlin')")
    assert not is_structure(text)
