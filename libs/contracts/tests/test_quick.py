"""Classes that are made quickly are what they were, but for who holds that nobody changes them."""

import pickle
from dataclasses import FrozenInstanceError, dataclass, field, fields, replace

import pytest
from contracts.offers import OfferIssued
from contracts.quick import quick


@quick
@dataclass(frozen=True, slots=True)
class Quick:
    name: str
    number: int = 7
    names: list[str] = field(default_factory=list)
    last: str = field(default="", kw_only=True)


@dataclass(frozen=True, slots=True)
class Slow:
    name: str
    number: int = 7
    names: list[str] = field(default_factory=list)
    last: str = field(default="", kw_only=True)


def test_fields_defaults_and_places_are_those_of_the_class() -> None:
    for given, named in ((("a",), {}), (("a", 1, ["b"]), {"last": "c"})):
        quick_one, slow_one = Quick(*given, **named), Slow(*given, **named)  # type: ignore[arg-type]  # of both kinds

        assert [getattr(quick_one, each.name) for each in fields(Slow)] == [
            getattr(slow_one, each.name) for each in fields(Slow)
        ]
    assert Quick("a").names is not Quick("a").names


def test_arguments_are_checked() -> None:
    with pytest.raises(TypeError, match="missing 1 required positional argument: 'name'"):
        Quick()  # type: ignore[call-arg]  # that is the point
    with pytest.raises(TypeError, match="takes from 2 to 4 positional arguments"):
        Quick("a", 1, [], "c")  # type: ignore[call-arg]  # that is the point
    with pytest.raises(TypeError, match="unexpected keyword argument 'other'"):
        OfferIssued(other=1)  # type: ignore[call-arg]  # that is the point


def test_instances_are_compared_copied_and_kept_as_before() -> None:
    one = Quick("a", 1, ["b"], last="c")

    assert pickle.loads(pickle.dumps(one)) == one
    assert replace(one, number=2) == Quick("a", 2, ["b"], last="c") != one
    assert repr(one) == "Quick(name='a', number=1, names=['b'], last='c')"
    assert hash(replace(one, names=())) == hash(Slow("a", 1, (), last="c"))  # type: ignore[arg-type]  # hashable


def test_only_an_ordinary_frozen_class_refuses_changes_at_run_time() -> None:
    slow, fast = Slow("a"), Quick("a")

    with pytest.raises(FrozenInstanceError):
        slow.name = "b"  # type: ignore[misc]  # mypy holds it of both
    fast.name = "b"  # type: ignore[misc]  # mypy holds it of both
    assert fast.name == "b"
