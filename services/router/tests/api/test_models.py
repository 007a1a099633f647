"""What bodies of requests may hold."""

from collections.abc import Iterator
from typing import Annotated, Any

import pytest
from pydantic import Field, TypeAdapter, ValidationError
from router.api import models, models_admin, models_calls


def text_fields() -> Iterator[Any]:
    """Every field of a request that is a text, or may be."""
    for kind in {**vars(models), **vars(models_admin), **vars(models_calls)}.values():
        if not isinstance(kind, type) or not issubclass(kind, models.Request):
            continue
        for name, field in kind.model_fields.items():
            annotated: Any = Annotated[field.annotation, Field(), *field.metadata]
            text: TypeAdapter[object] = TypeAdapter(annotated)
            schema = text.json_schema()
            if "string" in {each.get("type") for each in schema.get("anyOf", [schema])}:
                yield pytest.param(text, id=f"{kind.__name__}.{name}")


@pytest.mark.parametrize("text", list(text_fields()))
def test_no_text_of_a_request_may_hold_nul(text: TypeAdapter[object]) -> None:
    with pytest.raises(ValidationError):
        text.validate_python("a\x00b")
