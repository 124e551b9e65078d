"""ClickHouse's HTTP interface without input and output: requests read into queries, and the heads of answers.

Source: https://clickhouse.com/docs/interfaces/http
"""

from __future__ import annotations

import base64
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from email.message import Message
from email.parser import BytesHeaderParser
from typing import Final
from urllib.parse import parse_qsl

from embedded.clickhouse.sql_text import Insert, Statement, StatementKind, first_word, read_statement

__all__ = ["Query", "RefusedRequest", "Request", "content_type_of", "read_credentials", "read_query", "status_of_code"]

SETTING_NAME: Final = re.compile(r"^[A-Za-z_][A-Za-z0-9_]*$")
DEFAULT_FORMAT: Final = "TabSeparated"
PART_HEAD_BYTES_MAX: Final = 8 * 1024

RESERVED: Final = frozenset(
    {
        "query", "database", "default_format", "user", "password", "quota_key", "query_id", "session_id",
        "session_check", "session_timeout", "compress", "decompress", "wait_end_of_query", "buffer_size",
        "stacktrace", "role",
        "enable_http_compression", "send_progress_in_http_headers", "http_headers_progress_interval_ms",
        "cancel_http_readonly_queries_on_client_close", "add_http_cors_header", "client_protocol_version",
        "http_write_exception_in_output_format", "http_response_buffer_size", "close_session",
        "http_zlib_compression_level", "framing", "http_make_head_request", "network_compression_method",
    }
)  # fmt: skip
"""Names in the query string that are not settings of the query.

Some are accepted because this server does what they ask for anyway: an answer is sent once it is complete, and a
session has nothing to keep from one request to the next.
"""

NO_SESSIONS: Final = "there are no sessions here, each request stands alone"
NOT_AVAILABLE: Final = {
    "compress": "use enable_http_compression=1, or compress=0",
    "decompress": "use the header Content-Encoding, or decompress=0",
    "role": "there are the users watchloop and analyst, and no roles; leave it out",
    "session_check": f"{NO_SESSIONS}; leave it out",
    "session_timeout": f"{NO_SESSIONS}; leave it out",
    "add_http_cors_header": "pages of other servers may not ask here; use a client that is not a web page",
}
"""Names that would change what ClickHouse does, each with what to do instead; 0 or an empty value is accepted."""

CONTENT_TYPES: Final = {
    "tabseparated": "text/tab-separated-values; charset=UTF-8",
    "tsv": "text/tab-separated-values; charset=UTF-8",
    "tabseparatedwithnames": "text/tab-separated-values; charset=UTF-8; header=present",
    "tabseparatedwithnamesandtypes": "text/tab-separated-values; charset=UTF-8; header=present",
    "csv": "text/csv; charset=UTF-8; header=absent",
    "csvwithnames": "text/csv; charset=UTF-8; header=present",
    "json": "application/json; charset=UTF-8",
    "jsoncompact": "application/json; charset=UTF-8",
    "jsonstrings": "application/json; charset=UTF-8",
    "jsoneachrow": "application/x-ndjson; charset=UTF-8",
    "jsoncompacteachrow": "application/x-ndjson; charset=UTF-8",
    "xml": "application/xml; charset=UTF-8",
    "parquet": "application/octet-stream",
    "arrow": "application/octet-stream",
    "arrowstream": "application/octet-stream",
    "native": "application/octet-stream",
    "rowbinary": "application/octet-stream",
    "rowbinarywithnamesandtypes": "application/octet-stream",
}

# HTTPHandler.cpp, exceptionCodeToHTTPStatus
STATUS_OF_CODE: Final = {
    **dict.fromkeys((192, 193, 194, 516), 401),
    **dict.fromkeys((497,), 403),
    **dict.fromkeys((6, 26, 27, 36, 38, 41, 42, 43, 53, 62, 69, 70, 72, 117, 130, 131, 184, 215, 386, 457, 474), 400),
    **dict.fromkeys((46, 47, 50, 56, 60, 63, 73, 78, 81, 115), 404),
    **dict.fromkeys((159,), 408),
    **dict.fromkeys((307,), 413),
    **dict.fromkeys((48, 344), 501),
    **dict.fromkeys((202, 209), 503),
}


class RefusedRequest(Exception):  # noqa: N818 - reads as what happened
    """A request is answered with an error; ``code`` and ``name`` are ClickHouse's."""

    def __init__(self, code: int, name: str, reason: str) -> None:
        super().__init__(f"Code: {code}. DB::Exception: {reason} ({name})")
        self.code = code


@dataclass(frozen=True, slots=True)
class Request:
    """One HTTP request, its body already decompressed; header names are in lower case."""

    method: str
    query_string: str
    headers: Mapping[str, str]
    body: bytes = b""


@dataclass(frozen=True, slots=True)
class Query:
    """What a request asks the engine to do.

    ``sql`` is the statement without an INSERT's data, which is in ``statement.insert``. ``parameters`` are the values
    of ``{name:Type}``, escaped as the client sent them. ``compress`` says that the client accepts a compressed answer.
    ``fallback_format`` is used where the statement names no format.
    """

    sql: str
    statement: Statement
    format: str
    database: str
    settings: dict[str, str] = field(default_factory=dict)
    parameters: dict[str, str] = field(default_factory=dict)
    query_id: str = ""
    compress: bool = False
    fallback_format: str = DEFAULT_FORMAT


def status_of_code(code: int) -> int:
    """The HTTP status with which ClickHouse sends an error code.

    >>> status_of_code(516), status_of_code(241)
    (401, 500)
    """
    return STATUS_OF_CODE.get(code, 500)


def content_type_of(format_name: str) -> str:
    """The Content-Type of an answer in one of ClickHouse's formats; plain text for one that is not listed."""
    return CONTENT_TYPES.get(format_name.lower(), "text/plain; charset=UTF-8")


def read_credentials(query_string: str, headers: Mapping[str, str]) -> tuple[str, str]:
    """User and password: from X-ClickHouse-User and -Key, else HTTP basic, else the query string; else empty.

    Raises RefusedRequest where the Authorization header is not valid base64.

    >>> read_credentials("user=analyst&password=p", {}), read_credentials("", {"authorization": "Basic YTpi"})
    (('analyst', 'p'), ('a', 'b'))
    """
    if "x-clickhouse-user" in headers or "x-clickhouse-key" in headers:
        return headers.get("x-clickhouse-user", ""), headers.get("x-clickhouse-key", "")
    scheme, _, token = headers.get("authorization", "").partition(" ")
    if scheme.lower() == "basic":
        try:
            user, _, password = base64.b64decode(token.strip(), validate=True).decode().partition(":")
        except ValueError:  # of base64, of UTF-8, and of a header that is not ASCII
            raise RefusedRequest(
                516, "AUTHENTICATION_FAILED", "The Authorization header is not valid base64."
            ) from None
        return user, password
    named = dict(parse_qsl(query_string, keep_blank_values=True))
    return named.get("user", ""), named.get("password", "")


def read_query(request: Request, *, query_bytes_max: int, tokens_max: int, fields_max: int, database: str) -> Query:
    """The query of a request. Raises RefusedRequest beyond a bound, and for a request that this server does not run."""
    named = _fields(request.query_string, fields_max)
    body = request.body
    form = _read_form(request, fields_max)
    if form is not None:
        named, body = {**named, **form}, b""
    for name, instead in NOT_AVAILABLE.items():
        if named.get(name, "") not in ("0", "", "false"):
            raise RefusedRequest(48, "NOT_IMPLEMENTED", f"{name} is not available here: {instead}.")
    text = named.get("query", "").encode()
    if body:
        text = text + b"\n" + body if text else body
    if len(text) <= query_bytes_max and not first_word(text):
        reason = "Empty query: there is no statement in it; expected one, such as SELECT 1."
        raise RefusedRequest(62, "SYNTAX_ERROR", reason)
    statement = read_statement(text, query_bytes_max, tokens_max)
    sql = _statement_text(text, statement, query_bytes_max)
    if statement.too_many_tokens:
        raise RefusedRequest(62, "SYNTAX_ERROR", f"The query has more parts than query_tokens_max ({tokens_max}).")
    if statement.several:
        raise RefusedRequest(
            62, "SYNTAX_ERROR", "Syntax error (Multi-statements are not allowed): send them one by one."
        )
    if statement.client_file:
        reason = "INTO OUTFILE and FROM INFILE are for the command-line client; send or receive the data over HTTP."
        raise RefusedRequest(48, "NOT_IMPLEMENTED", reason)
    if request.method == "GET" and statement.kind is not StatementKind.READ:
        reason = (
            "Cannot execute query in readonly mode: method GET is for statements that read, such as SELECT, and this "
            f"one begins with {first_word(text[:query_bytes_max])}; send it with POST if it is meant to write."
        )
        raise RefusedRequest(164, "READONLY", reason)
    fallback = named.get("default_format") or request.headers.get("x-clickhouse-format") or ""
    statement = _with_insert_format(statement, fallback)
    return Query(
        sql=sql,
        statement=statement,
        format=statement.format or fallback or DEFAULT_FORMAT,
        database=named.get("database") or request.headers.get("x-clickhouse-database") or database,
        settings=_settings_of(named),
        parameters={name[6:]: value for name, value in named.items() if name.startswith("param_")},
        query_id=named.get("query_id", ""),
        compress=named.get("enable_http_compression", "0") not in ("0", "false", ""),
        fallback_format=fallback or DEFAULT_FORMAT,
    )


def _statement_text(text: bytes, statement: Statement, query_bytes_max: int) -> str:
    if statement.insert is not None:
        sql = statement.insert.head
    else:
        if len(text) > query_bytes_max:
            raise _too_long(query_bytes_max)
        try:
            sql = text.decode()
        except UnicodeDecodeError:
            raise RefusedRequest(62, "SYNTAX_ERROR", "The query is not valid UTF-8.") from None
    if len(sql) > query_bytes_max:
        raise _too_long(query_bytes_max)
    return sql.strip()


def _too_long(query_bytes_max: int) -> RefusedRequest:
    return RefusedRequest(62, "SYNTAX_ERROR", f"Max query size exceeded (query_bytes_max is {query_bytes_max}).")


def _with_insert_format(statement: Statement, fallback: str) -> Statement:
    insert = statement.insert
    if insert is None or insert.format:
        return statement
    if not fallback:
        raise RefusedRequest(
            62, "SYNTAX_ERROR", "An INSERT needs FORMAT, VALUES, SELECT or the header X-ClickHouse-Format."
        )
    return Statement(statement.kind, format=fallback, insert=Insert(insert.head, fallback, insert.data))


def _settings_of(named: Mapping[str, str]) -> dict[str, str]:
    settings = {}
    for name, value in named.items():
        if name in RESERVED or name.startswith("param_"):
            continue
        if not SETTING_NAME.match(name):
            raise RefusedRequest(115, "UNKNOWN_SETTING", f"Unknown setting '{name}'.")
        settings[name] = value
    return settings


def _fields(text: str, fields_max: int) -> dict[str, str]:
    try:
        return dict(parse_qsl(text, keep_blank_values=True, max_num_fields=fields_max))
    except ValueError:
        raise _too_many(fields_max) from None


def _too_many(fields_max: int) -> RefusedRequest:
    return RefusedRequest(36, "BAD_ARGUMENTS", f"The request has more fields than request_fields_max ({fields_max}).")


def _read_form(request: Request, fields_max: int) -> dict[str, str] | None:
    """Fields of a form; None where the body is not a form. Files (external tables) are refused."""
    content_type = request.headers.get("content-type", "")
    if content_type.startswith("application/x-www-form-urlencoded") and not _looks_like_sql(request):
        return _fields(request.body.decode("utf-8", "replace"), fields_max)
    if content_type.startswith("multipart/form-data"):
        return _read_multipart(content_type, request.body, fields_max)
    return None


def _read_multipart(content_type: str, body: bytes, fields_max: int) -> dict[str, str]:
    """The parts of a form by name (RFC 7578). Parts do not nest: a part within a part is read as text."""
    boundary = _header(content_type).get_boundary()
    if not boundary:
        raise RefusedRequest(36, "BAD_ARGUMENTS", "The form has no boundary.")
    # The line break before a boundary belongs to the boundary; the first boundary has none.
    parts = (b"\r\n" + body).split(b"\r\n--" + boundary.encode("utf-8", "replace"), fields_max + 2)
    fields: dict[str, str] = {}
    for number, part in enumerate(parts[1:]):
        if part.startswith(b"--"):
            return fields
        if number == fields_max:
            raise _too_many(fields_max)
        head, _blank, content = part.partition(b"\r\n\r\n")
        if len(head) > PART_HEAD_BYTES_MAX:
            raise RefusedRequest(36, "BAD_ARGUMENTS", "A part of the form has no head, or one that is too long.")
        named = BytesHeaderParser().parsebytes(head.lstrip(b"\r\n"))
        if named.get_filename() is not None:
            raise RefusedRequest(
                48, "NOT_IMPLEMENTED", "External tables are not available here; insert the rows first."
            )
        name = named.get_param("name", header="content-disposition")
        fields[str(name)] = content.decode("utf-8", "replace")
    return fields


def _header(content_type: str) -> Message:
    return BytesHeaderParser().parsebytes(b"Content-Type: " + content_type.encode("utf-8", "replace"))


def _looks_like_sql(request: Request) -> bool:
    """curl --data-binary sends a plain statement under the Content-Type of a form."""
    return re.match(rb"\s*(query|param_\w+)=", request.body) is None
