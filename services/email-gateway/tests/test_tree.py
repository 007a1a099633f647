"""How large a tree the sanitiser may build: never larger than was measured."""

from html.parser import HTMLParser
from itertools import pairwise

import nh3
import pytest
from email_gateway.domain.limits import Limits
from email_gateway.domain.markup import read_markup
from email_gateway.domain.parse import parse_mail
from email_gateway.testing.corpus.writing import mail
from hypothesis import given, settings
from hypothesis import strategies as st
from typing_extensions import override

TAGS = ("div", "p", "b", "i", "a", "span", "table", "tr", "td", "caption", "ul", "li", "dd", "h1", "h2", "form", "font")
VOID = frozenset(("br", "img"))
PIECES = (
    *(f"<{name}>" for name in TAGS),
    *(f"</{name}>" for name in TAGS),
    *("x", "<br>", "<!--", "-->", "--!>", "</!", ">", '<p "', "<p a='", "<p a=b'", '<a =">', "'", '"', "<title>"),
    *("</title>", "</titlex>", "<style>", "</style >", "<textarea>", "</textarea>", "<html a>", "<td"),
)


class Depth(HTMLParser):
    """Of what the sanitiser wrote: every tag has its end."""

    def __init__(self) -> None:
        super().__init__()
        self.now, self.most, self.elements = 0, 0, 0

    @override
    def handle_starttag(self, tag: str, attrs: object) -> None:
        self.elements += 1
        if tag not in VOID:
            self.now += 1
            self.most = max(self.most, self.now)

    @override
    def handle_endtag(self, tag: str) -> None:
        self.now -= 1


def depth_of(html: str) -> Depth:
    kept = nh3.clean(html, tags={*TAGS, *VOID, "tbody"}, attributes={}, link_rel=None, strip_comments=True)
    found = Depth()
    found.feed(kept)
    return found


@settings(max_examples=400)
@given(st.lists(st.sampled_from(PIECES), min_size=1, max_size=12), st.integers(1, 12))
def test_no_tree_is_deeper_or_larger_than_was_measured(pieces: list[str], times: int) -> None:
    """A table makes itself up to two parents of a cell; and each text what formatting stands around it."""
    html = "".join(pieces) * times
    measured = read_markup(html).tree
    made = depth_of(html)

    assert measured.unsure or made.most <= 4 * measured.depth + 4
    assert measured.unsure or made.elements <= 4 * measured.work + 4


@pytest.mark.parametrize(
    "html",
    [
        "<div><table></div></table>",
        "<span><div></span></div>",
        "<span><p></span></p>",
        "<form><div></form>",
        "<tr><div></tr>",
        "<li><tr><dd><tr>",
        "<table><table></table><div></table>",
        "<h1><div><h2><div></h1>",
        "<ul><li><ul></li></ul>",
        "<div></!</div>",
        '<div"x></div>',
        "<div><title></titlex></div></title>",
        "<div><xmp></div></xmp>",
        "<b><p></b></p>",
    ],
)
def test_end_tags_that_close_nothing_deceive_nobody(html: str) -> None:
    measured = [read_markup(html * times).tree for times in (20, 40)]
    made = [depth_of(html * times).most for times in (20, 40)]

    grows = made[1] > made[0] + 10
    assert not grows or all(b.unsure or b.depth > a.depth + 10 for a, b in pairwise(measured))


FONTS = "<p>" + "".join(f"<font size={number}>" for number in range(3000)) + "<p>x" * 3000


@pytest.mark.parametrize(
    "html",
    [
        "<!--x--!>" + FONTS,
        "<svg><style>" + FONTS,
        '<p ">' + FONTS + '">',
        "<p a=b'>" + FONTS + "'>",
        "<div><xmp></div></xmp>" * 10_000,
        "".join(f"<html a{number}>" for number in range(20_000)),
        "<p " + " ".join(f"a{number}" for number in range(100_000)) + ">",
        "<p><a href='https://x/" + "A" * 9000 + "'>" + "<p>x" * 20_000,
        "<div><table></div></table>" * 20_000,
        "<p>x" + "".join(f"<font size={n}><a class=gmail_attr>q</font></a>" for n in range(400)) + "<p>x" * 400,
    ],
    ids=["comment", "drawing", "quote", "no-quote", "raw", "roots", "attributes", "long", "barrier", "cut"],
)
def test_what_the_sanitiser_would_take_too_long_for_is_shown_as_text(html: str) -> None:
    found = parse_mail(mail("Content-Type: text/html", body=html))

    assert "html_too_costly" in found.warnings
    assert max(len(found.html), len(found.visible_html)) < 4 * len(html)


def test_ordinary_carelessness_is_no_reason() -> None:
    row = "<tr><td><p>One<p>Two<ul><li>a<li>b</ul><font><b>x</font></b></div><td><a href=https://x.example>y</a>"
    tree = read_markup("<table>" + row * 50 + "</table>").tree

    assert tree.depth < Limits().html_depth_max
    assert tree.work < Limits().html_work_max
