"""How large a tree a browser would make of HTML: never less than it really would.

The sanitiser's parser takes time that grows with depth times elements. How deep they stand depends on which end tags
count, and a stranger chooses these: `</div>` behind an open `<table>` closes nothing. So what an end tag may have left
open, if it was no plain pair of the one before it, is counted as open for good.
"""

from collections import Counter
from dataclasses import dataclass, field
from typing import Final

_SPACES: Final = " \t\n\r/"
_STACK_MAX: Final = 1000
"""What is deeper is counted as open for good."""
_MANY_ATTRIBUTES_CHARS: Final = 1000
_ATTRIBUTES_SQUARED: Final = 2000
"""The parser compares each attribute of an element with all before it; the square of so many takes as long as the
making of that many elements."""
_FORMATTING_CHARS: Final = 64
"""Formatting is repeated with its attributes: so many characters count like an element."""


def _names(text: str) -> frozenset[str]:
    return frozenset(text.split())


VOID: Final = _names("area base br col embed hr img input link meta param source track wbr")
FORMATTING: Final = _names("a b big code em font i nobr s small strike strong tt u")
_ROOTS: Final = _names("html body head")
_TABLE_PARTS: Final = _names("td th tr tbody thead tfoot caption colgroup")
_BLOCKS: Final = _names("""
    address article aside blockquote center dd details dir div dl dt fieldset figcaption figure footer header hgroup
    main menu nav ol p pre section summary ul li
""")
"""Their end tags close whatever stands in them, but not beyond a table."""
_TABLE: Final = _names("table")
_LISTS: Final = _names("table ul ol")
_HEADS: Final = _names("form h1 h2 h3 h4 h5 h6 table")
_UNSAID: Final = _names("p li dd dt rt rp option")
"""The end tag of these may be left out: the end of what they stand in is theirs."""
_BEFORE: Final = {
    "li": _names("p li"),
    **dict.fromkeys(("dd", "dt"), _names("p dd dt")),
    **dict.fromkeys(("rt", "rp"), _names("rt rp")),
    **dict.fromkeys(_TABLE_PARTS, _TABLE_PARTS),
    "option": _names("option"),
    **dict.fromkeys((_BLOCKS | _HEADS) - _names("li dd dt"), _names("p")),
}
"""What the start tag of these ends, where it stands right before it."""
UNSURE: Final = _names("""
    svg math template select frameset noscript script xmp iframe noembed noframes plaintext object applet marquee button
""")
"""In these, or behind them, a browser reads tags by other rules than ours."""


@dataclass(slots=True)
class Tree:
    """What the tags so far make. `work`: elements, with those that unclosed formatting repeats."""

    work: int = 0
    depth: int = 0
    unsure: bool = False
    """The browser may see other tags than were told here."""
    _stack: list[tuple[str, int]] = field(default_factory=list)
    _open: Counter[str] = field(default_factory=Counter)
    _left: int = 0
    """Elements that may still be open behind an end tag of theirs."""
    _formatting: int = 0
    _roots: int = 0

    def start(self, name: str, attributes: str) -> None:
        """A start tag."""
        self.work += 1 + self._formatting + _attributes_work(attributes)
        self.unsure = self.unsure or name in UNSURE
        if name in _ROOTS:
            # Their attributes are added to those that the root has.
            self.work += self._roots
            self._roots += 1
            return
        if name in _TABLE_PARTS:
            self._leave(self._pop_all(_UNSAID))
        self._pop_all(_BEFORE.get(name, frozenset()))
        if name in VOID:
            return
        if len(self._stack) >= _STACK_MAX:
            self._leave([(name, 0)])
            return
        weight = 1 + len(attributes) // _FORMATTING_CHARS if name in FORMATTING else 0
        self._stack.append((name, weight))
        self._open[name] += 1
        self._formatting += weight
        self.depth = max(self.depth, len(self._stack) + self._left)

    def end(self, name: str) -> None:
        """An end tag."""
        self.work += 1
        if self._open[name] == 0:
            return
        if name in FORMATTING:
            self._end_formatting(name)
            return
        if name in _BLOCKS:
            self._pop_all(_UNSAID - {name})
        above: list[tuple[str, int]] = []
        while (last := self._pop())[0] != name:
            above.append(last)
        barriers = _TABLE_PARTS | _LISTS if name == "li" else _TABLE_PARTS | _TABLE
        if name in _BLOCKS and barriers.isdisjoint(each for each, _ in above):
            self._leave([each for each in above if each[1]])
        elif name in _TABLE or name in _TABLE_PARTS:
            self._leave([each for each in above if each[0] not in _TABLE_PARTS])
        elif above:
            self._leave([*above, last])

    def _end_formatting(self, name: str) -> None:
        """It ends alone; what stands in it goes on."""
        place = next(at for at in range(len(self._stack) - 1, -1, -1) if self._stack[at][0] == name)
        _, weight = self._stack[place]
        if all(each in FORMATTING for each, _ in self._stack[place + 1 :]):
            self._formatting -= weight
        else:
            self._left += 1
        del self._stack[place]
        self._open[name] -= 1

    def _pop_all(self, names: frozenset[str]) -> list[tuple[str, int]]:
        popped = []
        while self._stack and self._stack[-1][0] in names:
            popped.append(self._pop())
        return popped

    def _pop(self) -> tuple[str, int]:
        last = self._stack.pop()
        self._open[last[0]] -= 1
        return last

    def _leave(self, elements: list[tuple[str, int]]) -> None:
        """Their formatting's weight stays as well."""
        self._left += len(elements)
        self.depth = max(self.depth, len(self._stack) + self._left)


def _attributes_work(attributes: str) -> int:
    if len(attributes) < _MANY_ATTRIBUTES_CHARS:
        return 0
    number = sum(attributes.count(space) for space in _SPACES)
    return number * number // _ATTRIBUTES_SQUARED
