"""What bodies of requests may hold."""

from collections.abc import Iterator
from typing import Annotated, Any

import pytest
from pydantic import BaseModel, Field, TypeAdapter, ValidationError
from router.api import models_admin
from router.api.models import Request


assert issubclass(models_admin.DevelopmentTokenRequest, Request)  # its module defines requests too


def text_fields(kind: type[BaseModel] = Request) -> Iterator[Any]:
    """Every field of a request that is a text, or may be."""
    for request in kind.__subclasses__():
        for name, field in request.model_fields.items():
            annotated: Any = Annotated[field.annotation, Field(), *field.metadata]
            text: TypeAdapter[object] = TypeAdapter(annotated)
            schema = text.json_schema()
            if "string" in {each.get("type") for each in schema.get("anyOf", [schema])}:
                yield pytest.param(text, id=f"{request.__name__}.{name}")
        yield from text_fields(request)


@pytest.mark.parametrize("text", list(text_fields()))
def test_no_text_of_a_request_may_hold_nul(text: TypeAdapter[object]) -> None:
    with pytest.raises(ValidationError):
        text.validate_python("a\x00b")
