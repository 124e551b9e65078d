"""CheckedRequest: a request whose body may be any bytes."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from litestar.connection import Request
from litestar.datastructures import FormMultiDict, State
from litestar.enums import RequestEncodingType
from litestar.exceptions import ClientException

__all__ = ["CheckedRequest"]


class CheckedRequest(Request[Any, Any, State]):
    """A request that answers 400 for a body that is not text, and for a form in parts.

    The framework does so for errors of its parsers, but not for errors of decoding text.
    """

    async def json(self) -> Any:
        """The body as JSON; None if it is empty. Raises ClientException."""
        with readable("JSON in UTF-8"):
            return await super().json()

    async def form(self) -> FormMultiDict:
        """The fields of the form; empty if the body is not a form. Raises ClientException.

        Forms in parts (multipart) are refused. No page sends any, and each part may name its encoding: with some of
        Python's encodings, decoding a body of the largest size takes minutes.
        """
        if self.content_type[0] == RequestEncodingType.MULTI_PART:
            raise ClientException(f"forms come as {RequestEncodingType.URL_ENCODED.value}")
        with readable("a form in UTF-8"):
            return await super().form()


@contextmanager
def readable(expected: str) -> Iterator[None]:
    """Turns errors of Python's decoders into ClientException, in one line."""
    try:
        yield
    except (ValueError, LookupError) as error:
        raise ClientException(f"the request's body cannot be read as text; expected {expected}") from error
