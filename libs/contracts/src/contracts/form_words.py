"""Why a document has not the right form, in words for those who write it: pydantic's own are for programmers."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from types import UnionType
from typing import Annotated, Any, Final, Union, get_args, get_origin

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

FIELDS_SHOWN_MAX: Final = 30
WORDS_ALIKE: Final = 0.7
"""As `difflib` measures it: of a slip in a short word."""

Path = tuple[str | int, ...]


@dataclass(frozen=True, slots=True)
class FormFault:
    """One thing wrong; `path` leads into the document by names and places."""

    path: Path
    message: str


def told(error: ValidationError, model: type[BaseModel]) -> list[FormFault]:
    """Every fault, in the document's order and without the refused values; `model` is what has refused it.

    Of a value that may have several forms the faults are one, unless one form is near enough to say what it lacks.
    """
    found: dict[Path, list[str]] = {}
    chosen: set[Path] = set()
    for fault in error.errors(include_input=False, include_url=False):
        path, fields, is_choice = _way(fault, model)
        found.setdefault(path, []).append(_worded(fault, fields))
        chosen |= {path} if is_choice else set()
    beginnings = {path[:length] for path in found for length in range(len(path))}
    return [
        FormFault(path, ", or ".join(dict.fromkeys(_shortened(messages))))
        for path, messages in found.items()
        if path not in chosen or path not in beginnings
    ]


def near(name: str, names: Sequence[str]) -> str:
    """What to write instead of a name that is not there: those that are like it, or of which a word is; else any."""
    words = {word: each for each in reversed(names) for word in each.split("_")}
    by_word = [words[word] for word in get_close_matches(name, words, n=1, cutoff=WORDS_ALIKE)]
    like = get_close_matches(name, names, n=2, cutoff=WORDS_ALIKE) or by_word
    if like:
        return f"did you mean {' or '.join(map(repr, like))}?"
    if len(names) == 1:
        return f"there is {names[0]!r} alone"
    more = ", ..." if len(names) > FIELDS_SHOWN_MAX else ""
    return f"there are {', '.join(names[:FIELDS_SHOWN_MAX])}{more}" if names else "nothing may stand there"


def _way(fault: ErrorDetails, model: type[BaseModel]) -> tuple[Path, list[str], bool]:
    """The path without pydantic's names for the forms of a value; the fields there; whether there were such names."""
    here: list[Any] = [model]  # Any: types as annotations have them
    path: list[str | int] = []
    is_choice = False
    *parts, last = fault["loc"] or (None,)
    for part in parts if fault["type"] == "extra_forbidden" else fault["loc"]:
        inside = [each for form in here for each in _inside(form, part)]
        if inside or not here:
            here = inside
            path.append(part)
        else:
            is_choice = True
            here = [form for form in here if getattr(form, "__name__", "").lower() == str(part).lower()] or here
    if fault["type"] == "extra_forbidden" and last is not None:
        path.append(last)
    fields = [name for form in here if _is_model(form) for name in form.model_fields]
    return tuple(path), list(dict.fromkeys(fields)), is_choice


def _inside(form: Any, part: str | int) -> Iterator[Any]:  # Any: see above
    arguments = get_args(form)
    if _is_model(form) and part in form.model_fields:
        yield from _forms(form.model_fields[part].annotation)
    elif get_origin(form) is dict:
        yield from _forms(arguments[1])
    elif get_origin(form) in {list, tuple, set} and isinstance(part, int):
        yield from _forms(arguments[0])


def _forms(annotation: Any) -> Iterator[Any]:  # Any: see above
    if get_origin(annotation) is Annotated:
        yield from _forms(get_args(annotation)[0])
    elif get_origin(annotation) in {Union, UnionType}:
        for each in get_args(annotation):
            yield from _forms(each)
    else:
        yield annotation


def _is_model(form: Any) -> bool:  # Any: see above
    return isinstance(form, type) and issubclass(form, BaseModel)


def _worded(fault: ErrorDetails, fields: Sequence[str]) -> str:
    kind, context = fault["type"], fault.get("ctx", {})
    match kind:
        case "extra_forbidden":
            name = str(fault["loc"][-1])
            return f"there is no field {name!r} here; {near(name, fields)}"
        case "string_pattern_mismatch":
            return _PATTERNS.get(context["pattern"], f"must have the form {context['pattern']}")
        case "too_short" | "string_too_short" if context["min_length"] == 1:
            return "must not be empty"
    words = _WORDS.get(kind.removesuffix("_parsing").removesuffix("_type"))
    if words is not None:
        return words.format_map({name: _number(value) for name, value in context.items()})
    return fault["msg"].removeprefix("Value error, ").replace("Input should be", "must be", 1)


def _shortened(messages: Sequence[str]) -> Iterator[str]:
    first, *others = messages
    yield from (first, *(other.removeprefix("must be ") for other in others))


def _number(value: object) -> object:
    """Whole numbers without a point."""
    return int(value) if isinstance(value, float) and value.is_integer() else value


_NAMES: Final = "put `name: value` there"
_INSTANT: Final = "must be an instant with its offset, as in 2026-01-05T09:00:00+01:00"
_WORDS: Final[Mapping[str, str]] = {
    "bool": "must be true or false",
    "date": "must be a date, as in 2026-12-24",
    "date_from_datetime": "must be a date, as in 2026-12-24",
    "datetime": _INSTANT,
    "datetime_from_date": _INSTANT,
    "dict": f"must have fields: {_NAMES}",
    "float": "must be a number",
    "greater_than": "must be more than {gt}",
    "greater_than_equal": "must be {ge} or more",
    "int_from_float": "must be a whole number",
    "int": "must be a whole number",
    "less_than": "must be less than {lt}",
    "less_than_equal": "must be {le} or less",
    "list": "must be a list",
    "literal_error": "must be {expected}",
    "missing": "must be given",
    "model_attributes": f"must have fields: {_NAMES}",
    "model": f"must have fields: {_NAMES}",
    "string_too_long": "must have at most {max_length} characters",
    "string_too_short": "must have at least {min_length} characters",
    "string": "must be text: put it in quotes",
    "timezone_aware": _INSTANT,
    "too_long": "must have at most {max_length} items",
    "too_short": "must have at least {min_length} items",
    "union_tag_invalid": "{discriminator} must be one of {expected_tags}",
    "union_tag_not_found": "must have the field {discriminator}",
}
_PATTERNS: Final[Mapping[str, str]] = {
    r"^[A-Za-z0-9][A-Za-z0-9._:@/-]*$": "may have letters, digits and . _ : @ / - and begins with a letter or digit",
    r"^[a-z0-9][a-z0-9_.-]*$": "may have small letters, digits and _ . - and begins with a letter or digit",
    r"^[a-z][a-z0-9_]*$": "may have small letters, digits and _ and begins with a letter",
    r"^(([01][0-9]|2[0-3]):[0-5][0-9]|24:00)$": "must be a time of day, from 00:00 to 24:00",
    r"^https?://[^/\s]+$": "must be an origin, as in https://shop.example",
    r"^[0-9*#]$": "must be one key of a telephone, in quotes: 0 to 9, * or #",
    r"^[0-9*#]{1,12}$": "must be keys of a telephone, in quotes: 0 to 9, * and #, at most 12",
    r"^\+?[0-9]{2,15}$": "must be a telephone number in quotes, digits without spaces, as in +390212345678",
    r"^(https://\S+|[A-Za-z0-9][A-Za-z0-9_-]*(/[A-Za-z0-9_-]+)*\.[a-z0-9]{2,4})$": (
        "must be an https:// URL, or the name of a file among the tenant's sounds, as in welcome/it.wav"
    ),
}
"""Of `fields`: Id, Code, Channel; of `calendars`; of `configuration`; of `voice_parts`."""
