"""A request of the console, whose body may be any bytes."""

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
    """A request of which a body that is no text, or a form in parts, is answered 400.

    The framework turns what its parsers say of a body into such an answer, but not what the decoding of texts says.
    """

    async def json(self) -> Any:
        """The body as JSON, None where it is empty. Raises ClientException."""
        with readable("JSON in UTF-8"):
            return await super().json()

    async def form(self) -> FormMultiDict:
        """The fields of the form, none where the body is no form. Raises ClientException.

        Forms in parts are refused: no page sends any, and each part may name an encoding, of which Python has some
        that take minutes for a body of the largest size.
        """
        if self.content_type[0] == RequestEncodingType.MULTI_PART:
            raise ClientException(f"forms come as {RequestEncodingType.URL_ENCODED.value}")
        with readable("a form in UTF-8"):
            return await super().form()


@contextmanager
def readable(expected: str) -> Iterator[None]:
    """Errors of Python's decoders as one line."""
    try:
        yield
    except (ValueError, LookupError) as error:
        raise ClientException(f"the request's body cannot be read as text; expected {expected}") from error
