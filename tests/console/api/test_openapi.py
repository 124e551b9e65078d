"""The API's description: complete, consistent, and true."""

from __future__ import annotations

import msgspec
import pytest

from console.api import payloads

METHODS = {"get", "post", "put", "patch", "delete"}


@pytest.fixture
def document(visit):
    """The OpenAPI document as a program gets it, without a session."""
    return visit().get("/schema/openapi.json").json()


def operations(document):
    for path, item in document["paths"].items():
        for method, operation in item.items():
            if method in METHODS:
                yield path, method, operation


def references(value):
    if isinstance(value, dict):
        if isinstance(value.get("$ref"), str):
            yield value["$ref"]
        for inner in value.values():
            yield from references(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from references(inner)


def test_document_is_openapi_3_1_of_watchloop(document):
    """The version and the title that tools look for."""
    assert document["openapi"].startswith("3.1")
    assert document["info"]["title"] == "watchloop"


def test_every_operation_of_the_api_is_described(document, console):
    """Each has a unique id, a summary, a description and a tag; no route under /api is left out, no page is in."""
    described = list(operations(document))
    assert all(path.startswith("/api/") for path, _, _ in described)
    ids = [operation["operationId"] for _, _, operation in described]
    assert len(set(ids)) == len(ids) == 15
    for path, method, operation in described:
        assert operation["summary"], (path, method)
        assert operation["description"], (path, method)
        assert operation["tags"], (path, method)
    in_app = {route.path for route in console.routes if route.path.startswith("/api/")}
    assert len({path for path, _, _ in described}) == len(in_app)


def test_no_description_repeats_its_summary(document):
    """The page shows the one behind the other, so that the same words would stand there twice."""
    said = [
        (operation["summary"].lower(), operation["description"].lower()) for _, _, operation in operations(document)
    ]
    assert [summary for summary, description in said if description.startswith(summary)] == []


def test_every_reference_leads_somewhere(document):
    """A generator of clients finds every schema."""
    schemas = document["components"]["schemas"]
    wanted = {reference.removeprefix("#/components/schemas/") for reference in references(document)}
    assert wanted <= set(schemas)
    assert "password_hash" not in str(schemas)


def test_refusals_are_problem_details(document):
    """Every error is described with the media type and the shape it really has."""
    for path, method, operation in operations(document):
        for status, answer in operation["responses"].items():
            if int(status) >= 400:
                assert list(answer["content"]) == ["application/problem+json"], (path, method, status)


def test_examples_are_accepted_by_what_they_are_examples_of(document):
    """An example that one copies works."""
    body_types = (payloads.SignInBody, payloads.OpinionBody, payloads.CommentBody)
    bodies = {body_type.__name__: body_type for body_type in body_types}
    seen = set()
    for _, _, operation in operations(document):
        for media in operation.get("requestBody", {}).get("content", {}).values():
            for reference in references(media["schema"]):
                name = reference.rsplit("/", 1)[-1]
                for example in media["schema"]["examples"]:
                    msgspec.convert(example, bodies[name])
                    seen.add(name)
    assert seen == set(bodies)


def test_page_for_people_lists_every_operation(visit, document):
    """/schema needs no file from elsewhere and leaves nothing out."""
    page = visit().get("/schema").text
    for path, _, operation in operations(document):
        assert path in page
        assert operation["summary"] in page
