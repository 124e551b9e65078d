"""The names that ``analyst`` may use, beside functions: table functions, tables, types, formats, settings. No logic.

All but ``FORMATS_DENIED`` list what is allowed, so that names which ClickHouse adds in a later version are refused.
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
"""Types of nodes in a statement's tree, as ``parseQueryToJSON`` names them."""

TABLE_FUNCTIONS_ALLOWED: Final = frozenset(
    {
        "numbers", "numbers_mt", "zeros", "zeros_mt", "values", "sqlstandardvalues", "generateseries",
        "generate_series", "view", "primes",
    }
)  # fmt: skip
"""Table functions that read nothing but their arguments, in lower case.

Left out: format, generateRandom and null, which take texts with expressions that the engine evaluates.
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
"""Tables of ``system`` that describe the schema; the others show other people's queries, or the machine."""

INFORMATION_SCHEMA_TABLES_ALLOWED: Final = frozenset(
    {
        "character_sets", "collations", "columns", "engines", "key_column_usage", "referential_constraints",
        "schemata", "statistics", "tables", "views",
    }
)  # fmt: skip
"""Views of ``information_schema``, in lower case: the same schema under the names of the SQL standard."""

PARAMETER_TYPES_ALLOWED: Final = frozenset(
    {
        "Array", "BFloat16", "Bool", "Date", "Date32", "DateTime", "DateTime32", "DateTime64", "Decimal", "Decimal128",
        "Decimal256", "Decimal32", "Decimal64", "Enum", "Enum16", "Enum8", "FixedString", "Float32", "Float64",
        "IPv4", "IPv6", "Identifier", "Int128", "Int16", "Int256", "Int32", "Int64", "Int8", "JSON", "LowCardinality",
        "Map", "Nullable", "String", "Time", "Time64", "Tuple", "UInt128", "UInt16", "UInt256", "UInt32", "UInt64",
        "UInt8", "UUID", "Variant",
    }
)  # fmt: skip
"""Types that a parameter ``{name:Type}`` may have, and types that they are made of."""

FORMATS_DENIED: Final = frozenset(
    {
        "template", "protobuf", "protobufsingle", "protobuflist", "capnproto", "mysqlwire", "postgresqlwire",
        "odbcdriver2", "avroconfluent",
    }
)  # fmt: skip
"""Output formats, in lower case, that read a schema from elsewhere or belong to another protocol."""

SETTINGS_ALLOWED: Final = frozenset(
    {
        "date_time_output_format", "format_csv_delimiter", "max_block_size", "max_execution_time", "max_memory_usage",
        "max_result_bytes", "max_result_rows", "max_threads", "output_format_json_quote_64bit_integers",
        "output_format_json_quote_denormals", "readonly", "result_overflow_mode", "session_timezone",
    }
)  # fmt: skip
"""Settings that a request may carry, each with its present value only: clients send some with every query."""

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
"""Settings of EXPLAIN itself, which say how much it shows."""
