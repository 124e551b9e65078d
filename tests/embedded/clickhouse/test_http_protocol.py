"""What a request asks for, without any server."""

from __future__ import annotations

import base64
import gzip
import zlib
from collections.abc import Callable
from urllib.parse import urlencode

import lz4.frame
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from embedded.clickhouse.http.compression import (
    BodyTooLargeError,
    UnknownEncodingError,
    choose_encoding,
    compress,
    decompress,
)
from embedded.clickhouse.http.protocol import (
    Query,
    RefusedRequest,
    Request,
    read_credentials,
    read_query,
    status_of_code,
)


def asked(
    named: dict[str, str], body: bytes = b"", headers: dict[str, str] | None = None, method: str = "POST"
) -> Query:
    request = Request(method, urlencode(named), headers or {}, body)
    return read_query(request, query_bytes_max=1_000, tokens_max=100, fields_max=20, database="watchloop")


def refused(
    named: dict[str, str], body: bytes = b"", headers: dict[str, str] | None = None, method: str = "POST"
) -> int:
    with pytest.raises(RefusedRequest) as error:
        asked(named, body, headers, method)
    assert str(error.value).startswith(f"Code: {error.value.code}. DB::Exception: ")
    return error.value.code


def test_query_in_the_url_or_in_the_body() -> None:
    """Both places are read, with settings, parameters and the format's three sources."""
    query = asked({"query": "SELECT {x:String}", "param_x": "a\\tb", "max_threads": "2", "query_id": "q"})
    assert (query.sql, query.parameters, query.settings, query.query_id) == (
        "SELECT {x:String}",
        {"x": "a\\tb"},
        {"max_threads": "2"},
        "q",
    )
    assert query.format == "TabSeparated"
    assert asked({"default_format": "CSV"}, b"SELECT 1").format == "CSV"
    assert asked({}, b"SELECT 1", {"x-clickhouse-format": "JSON"}).format == "JSON"
    assert asked({"default_format": "CSV"}, b"SELECT 1 FORMAT XML").format == "XML"


def test_insert_in_the_url_takes_the_body_as_data() -> None:
    """The statement in the URL and its rows in the body are put together, the format from the header if need be."""
    insert = asked({"query": "INSERT INTO t (a) FORMAT CSV"}, b"1\n2\n").statement.insert
    assert insert is not None
    assert (insert.head, insert.data) == ("INSERT INTO t (a)", b"1\n2\n")
    insert = asked({"query": "INSERT INTO t (a) VALUES"}, b"(1)").statement.insert
    assert insert is not None
    assert insert.format == "Values"


def test_form_bodies() -> None:
    """A form of either kind carries the query and its parameters; a bare statement sent as a form is read too."""
    urlencoded = {"content-type": "application/x-www-form-urlencoded"}
    query = asked({}, urlencode({"query": "SELECT {a:UInt8}", "param_a": "1"}).encode(), urlencoded)
    assert (query.sql, query.parameters) == ("SELECT {a:UInt8}", {"a": "1"})
    assert asked({}, b"SELECT 1", urlencoded).sql == "SELECT 1"
    multipart = {"content-type": "multipart/form-data; boundary=x"}
    part = '--x\r\nContent-Disposition: form-data; name="{}"\r\n\r\n{}\r\n'
    body = (part.format("query", "SELECT {a:String}") + part.format("param_a", "ü\n2") + "--x--\r\n").encode()
    query = asked({}, body, multipart)
    assert (query.sql, query.parameters) == ("SELECT {a:String}", {"a": "ü\n2"})


def test_what_is_refused() -> None:
    """Each refusal has ClickHouse's code."""
    assert refused({}) == 62
    assert refused({"query": "SELECT 1; SELECT 2"}) == 62
    assert refused({"query": "SELECT " + "1" * 2_000}) == 62
    assert refused({"query": "INSERT INTO t (a)"}, b"1") == 62
    assert refused({}, b"SELECT '\xff'") == 62
    assert refused({"query": "SELECT 1", "compress": "1"}) == 48
    assert refused({"query": "SELECT 1 INTO OUTFILE 'x'"}) == 48
    assert refused({"query": "SELECT 1", "max threads; DROP": "1"}) == 115
    assert refused({"query": "DROP TABLE t"}, method="GET") == 164


def test_what_would_be_ignored_is_refused() -> None:
    """A name that changes what ClickHouse does, and nothing here, is refused in a line; what clients send goes on."""
    for name, value in (
        ("role", "admin"),
        ("session_check", "1"),
        ("session_timeout", "60"),
        ("add_http_cors_header", "1"),
        ("decompress", "1"),
    ):
        for headers in ({}, {"content-type": "application/x-www-form-urlencoded"}):
            body = urlencode({"query": "SELECT 1", name: value}).encode() if headers else b"SELECT 1"
            assert refused({} if headers else {name: value}, body, headers) == 48
        with pytest.raises(RefusedRequest, match=f"{name} is not available here: .*\\w\\. "):
            asked({name: value}, b"SELECT 1")
        assert asked({name: ""}, b"SELECT 1").settings == {}
    sent = {"session_id": "a", "wait_end_of_query": "1", "send_progress_in_http_headers": "1", "compress": "0"}
    sent |= {"client_protocol_version": "54405", "quota_key": "k", "buffer_size": "1", "close_session": "1"}
    assert asked(sent, b"SELECT 1").settings == {}


def test_credentials_from_three_places() -> None:
    """Headers win over basic authentication, which wins over the URL."""
    basic = {"authorization": "Basic " + base64.b64encode("ana:pä:ss".encode()).decode()}
    assert read_credentials("user=x&password=y", {}) == ("x", "y")
    assert read_credentials("user=x&password=y", basic) == ("ana", "pä:ss")
    assert read_credentials("", {**basic, "x-clickhouse-user": "u", "x-clickhouse-key": "k"}) == ("u", "k")
    assert read_credentials("", {}) == ("", "")
    with pytest.raises(RefusedRequest, match="base64"):
        read_credentials("", {"authorization": "Basic %%%"})
    for token in ("\xff", "ü", "/w==", "a"):
        with pytest.raises(RefusedRequest, match="AUTHENTICATION_FAILED"):
            read_credentials("", {"authorization": f"Basic {token}"})


def test_statuses() -> None:
    """A few of ClickHouse's codes as HTTP statuses."""
    assert [status_of_code(code) for code in (62, 60, 516, 202, 159, 241)] == [400, 404, 401, 503, 408, 500]


@settings(max_examples=50)
@given(st.binary(max_size=5_000), st.sampled_from(["lz4", "gzip", "deflate"]))
def test_compression_is_undone(data: bytes, encoding: str) -> None:
    """What is compressed comes back, in every encoding."""
    assert decompress(compress(data, encoding), encoding, 5_000) == data


@pytest.mark.parametrize("pack", [lz4.frame.compress, gzip.compress])
def test_a_small_body_may_not_grow_without_bound(pack) -> None:  # type: ignore[no-untyped-def]
    """A body that decompresses to more than it may is refused, before it fills the memory."""
    packed = pack(b"0" * 10_000_000)
    encoding = "lz4" if pack is lz4.frame.compress else "gzip"
    with pytest.raises(BodyTooLargeError):
        decompress(packed, encoding, 9_999_999)
    assert len(decompress(packed, encoding, 10_000_000)) == 10_000_000
    with pytest.raises(ValueError, match="truncated"):
        decompress(packed[:-1], encoding, 10_000_000)
    with pytest.raises(ValueError, match="body"):
        decompress(b"not compressed", encoding, 100)


def test_encodings_that_are_not_known() -> None:
    """An unknown Content-Encoding is refused; of an Accept-Encoding the first known is taken."""
    with pytest.raises(UnknownEncodingError, match="br"):
        decompress(b"", "br", 10)
    assert choose_encoding("br, gzip;q=0.5, lz4") == "lz4"
    assert choose_encoding("br") == ""


@pytest.mark.parametrize("pack", [lz4.frame.compress, gzip.compress, zlib.compress])
def test_every_frame_of_a_body_is_read(pack: Callable[[bytes], bytes]) -> None:
    """Concatenated compressed frames are one body with one bound; other bytes behind the last frame are refused."""
    encoding = {lz4.frame.compress: "lz4", gzip.compress: "gzip", zlib.compress: "deflate"}[pack]
    body = pack(b"select 1") + pack(b" , ") + pack(b"file(1)" * 100_000)
    assert decompress(body, encoding, 1_000_000) == b"select 1 , " + b"file(1)" * 100_000
    for wrong in (body + b"x", body + pack(b"y" * 100)[:-1]):
        with pytest.raises(ValueError, match="body"):
            decompress(wrong, encoding, 1_000_000)
    with pytest.raises(BodyTooLargeError):
        decompress(pack(b"a" * 600) + pack(b"a" * 600), encoding, 1_000)
    with pytest.raises(ValueError, match="frames"):
        decompress(pack(b"") * 65_537, encoding, 1_000)
    with pytest.raises(ValueError, match="truncated"):
        decompress(b"", encoding, 1_000)
