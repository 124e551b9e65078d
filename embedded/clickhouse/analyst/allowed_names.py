"""What ``analyst`` may name beside functions: table functions, tables, types, formats, settings. Lists, no logic.

Each is a list of what is allowed; what ClickHouse adds in its next version is not on them.
"""

from __future__ import annotations

from typing import Final

__all__ = [
    "EXPLAIN_KINDS",
    "EXPLAIN_SETTINGS",
    "FORMATS_DENIED",
    "INFORMATION_SCHEMA_TABLES_ALLOWED",
    "NODES_ALLOWED",
    "PARAMETER_TYPES_ALLOWED",
    "SETTINGS_ALLOWED",
    "SYSTEM_TABLES_ALLOWED",
    "TABLE_FUNCTIONS_ALLOWED",
]

NODES_ALLOWED: Final = frozenset(
    {
        "SelectWithUnionQuery", "SelectQuery", "SelectIntersectExceptQuery", "ExpressionList", "Subquery",
        "Identifier", "TableIdentifier", "Literal", "Function", "QueryParameter",
        "Asterisk", "QualifiedAsterisk", "ColumnsRegexpMatcher", "QualifiedColumnsRegexpMatcher", "ColumnsListMatcher",
        "QualifiedColumnsListMatcher", "ColumnsTransformerList", "ColumnsApplyTransformer", "ColumnsExceptTransformer",
        "ColumnsReplaceTransformer", "ColumnsReplaceTransformerReplacement",
        "TablesInSelectQuery", "TablesInSelectQueryElement", "TableExpression", "TableJoin", "ArrayJoin",
        "WithElement", "OrderByElement", "InterpolateElement", "WindowDefinition", "WindowListElement", "SampleRatio",
        "ExplainQuery", "ShowTablesQuery", "ShowColumnsQuery", "ShowIndexesQuery",
    }
)  # fmt: skip
"""Nodes of a statement's tree, as ``parseQueryToJSON`` names them."""

TABLE_FUNCTIONS_ALLOWED: Final = frozenset(
    {
        "numbers", "numbers_mt", "zeros", "zeros_mt", "values", "sqlstandardvalues", "generateseries",
        "generate_series", "view", "primes",
    }
)  # fmt: skip
"""Table functions that read nothing but their arguments, in lower case.

Not here: format, generateRandom and null, whose texts hold expressions that the engine evaluates.
"""

SYSTEM_TABLES_ALLOWED: Final = frozenset(
    {
        "aggregate_function_combinators", "build_options", "collations", "columns", "completions", "contributors",
        "data_skipping_indices", "data_type_families", "databases", "enabled_roles", "current_roles", "formats",
        "functions", "keywords", "licenses", "merge_tree_settings", "numbers", "numbers_mt", "one", "parts",
        "parts_columns", "projections",
        "settings", "table_engines", "table_functions", "tables", "time_zones", "views", "zeros", "zeros_mt",
    }
)  # fmt: skip
"""Tables of ``system`` that describe the schema; the others tell of other people's queries and of the machine."""

INFORMATION_SCHEMA_TABLES_ALLOWED: Final = frozenset(
    {
        "character_sets", "collations", "columns", "engines", "key_column_usage", "referential_constraints",
        "schemata", "statistics", "tables", "views",
    }
)  # fmt: skip
"""Views of ``information_schema``, in lower case: the same again, as other databases name it."""

PARAMETER_TYPES_ALLOWED: Final = frozenset(
    {
        "Array", "BFloat16", "Bool", "Date", "Date32", "DateTime", "DateTime32", "DateTime64", "Decimal", "Decimal128",
        "Decimal256", "Decimal32", "Decimal64", "Enum", "Enum16", "Enum8", "FixedString", "Float32", "Float64",
        "IPv4", "IPv6", "Identifier", "Int128", "Int16", "Int256", "Int32", "Int64", "Int8", "JSON", "LowCardinality",
        "Map", "Nullable", "String", "Time", "Time64", "Tuple", "UInt128", "UInt16", "UInt256", "UInt32", "UInt64",
        "UInt8", "UUID", "Variant",
    }
)  # fmt: skip
"""Types of ``{name:Type}``, and of what they are made."""

FORMATS_DENIED: Final = frozenset(
    {
        "template", "protobuf", "protobufsingle", "protobuflist", "capnproto", "mysqlwire", "postgresqlwire",
        "odbcdriver2", "avroconfluent",
    }
)  # fmt: skip
"""Of the engine's output formats, in lower case: those with a schema from elsewhere, or of another protocol."""

SETTINGS_ALLOWED: Final = frozenset(
    {
        "date_time_output_format", "format_csv_delimiter", "max_block_size", "max_execution_time", "max_memory_usage",
        "max_result_bytes", "max_result_rows", "max_threads", "output_format_json_quote_64bit_integers",
        "output_format_json_quote_denormals", "readonly", "result_overflow_mode", "session_timezone",
    }
)  # fmt: skip
"""Settings that a request may carry, and only with the value that they have: clients send some with every query."""

EXPLAIN_KINDS: Final = frozenset(
    {
        "EXPLAIN", "EXPLAIN PLAN", "EXPLAIN AST", "EXPLAIN SYNTAX", "EXPLAIN QUERY TREE", "EXPLAIN PIPELINE",
        "EXPLAIN ESTIMATE",
    }
)  # fmt: skip

EXPLAIN_SETTINGS: Final = frozenset(
    {
        "actions", "compact", "description", "dump_ast", "dump_passes", "dump_tree", "graph", "header", "indexes",
        "json", "oneline", "optimize", "passes", "projections", "run_passes", "sorting",
    }
)  # fmt: skip
"""What EXPLAIN itself takes: how much it shows."""
