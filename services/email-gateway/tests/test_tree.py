"""How large a tree the sanitiser may build: never larger than was measured."""

from html.parser import HTMLParser
from itertools import pairwise

import nh3
import pytest
from email_gateway.domain.limits import Limits
from email_gateway.domain.markup import read_markup
from email_gateway.domain.parse import parse_mail
from email_gateway.domain.unseen import without_unseen
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
        "<svg><style></svg><button><svg>" + FONTS + "</style></button>",
        "<svg></svg>" + FONTS,
        "<div>" * 40_000,
        '<p ">' + FONTS + '">',
        "<p a=b'>" + FONTS + "'>",
        "<div><xmp></div></xmp>" * 10_000,
        "".join(f"<html a{number}>" for number in range(20_000)),
        "<p " + " ".join(f"a{number}" for number in range(100_000)) + ">",
        "<p><a href='https://x/" + "A" * 9000 + "'>" + "<p>x" * 20_000,
        "<div><table></div></table>" * 20_000,
        "<p>x" + "".join(f"<font size={n}><a class=gmail_attr>q</font></a>" for n in range(400)) + "<p>x" * 400,
    ],
    ids=[
        "comment",
        "drawing",
        "drawings",
        "drawn",
        "deep",
        "quote",
        "no-quote",
        "raw",
        "roots",
        "attributes",
        "long",
        "barrier",
        "cut",
    ],
)
def test_what_the_sanitiser_would_take_too_long_for_is_shown_as_text(html: str) -> None:
    found = parse_mail(mail("Content-Type: text/html", body=html))

    assert "html_too_costly" in found.warnings
    assert max(len(found.html), len(found.visible_html)) < 4 * len(html)


def test_ordinary_carelessness_is_no_reason() -> None:
    row = "<tr><td><p>One<p>Two<ul><li>a<li>b</ul><font><b>x</font></b></div><td><a href=https://x.example>y</a>"
    tree = read_markup("<table>" + row * 50 + "</table>").tree

    assert tree.depth < 200
    assert tree.work < Limits().html_work_max


HEAD = """<!DOCTYPE html PUBLIC "-//W3C//DTD XHTML 1.0 Transitional//EN" "x.dtd"><html xmlns:o="urn:x"><head>
<!--[if gte mso 9]><noscript><xml><o:AllowPNG/></xml></noscript><![endif]--><!--[if !mso]><!--><meta charset=utf-8>
<!--<![endif]--><style>@media (max-width:600px){.a > td {width:100%}}</style></head><body><center><table><tr><td>"""
BLOCK = """<!--[if (gte mso 9)|(IE)]><table><tr><td width="300"><![endif]--><table role="presentation"><tbody><tr>
<td class="a"><a href="https://x.example/?a=1&b"><img src="https://x.example/1.png"></a><p><b>Tent</b><br>for <s>99</s>
<font color="red">49</font></p><!--[if mso]><v:rect><center>Buy</center></v:rect><![endif]--></td></tr></tbody></table>
<!--[if (gte mso 9)|(IE)]></td></tr></table><![endif]-->"""
CARELESS = "<table>" + "<tr><td><div>x</td><td><p>y<p>z<ul><li>a<li>b</td></tr>" * 300 + "</table>"
DRAWING = '<svg viewBox="0 0 9 9"><title>Logo</title><defs><style>.c{}</style></defs><g><path d="M1 1>"/></g></svg>'


@pytest.mark.parametrize(
    "more",
    [
        "<table><tr><td>" * 100 + "x" + "</td></tr></table>" * 100,
        CARELESS,
        DRAWING * 10,
        '<script type="application/ld+json">{"@type": "Order", "url": "<svg>"}</script>',
        '<button onclick="a>b">Buy</button><marquee>Sale</marquee><iframe src="x"></iframe>',
        "<noscript><img src='https://shop.example/o.gif'></noscript><select><option>1</select>",
        "<svg><svg></svg><path/></svg>",
    ],
    ids=["nested", "careless", "drawing", "order", "button", "noscript", "drawings"],
)
def test_what_shops_send_stays_as_they_laid_it_out(more: str) -> None:
    body = HEAD + BLOCK * 1500 + "<h2>middle</h2>" + more + BLOCK + "</td></tr></table></center></body></html>"
    found = parse_mail(mail("Content-Type: text/html", body=body), Limits(html_chars_max=2_000_000))

    assert found.warnings == ()
    assert found.html.count("<font") == 1501
    assert "middle</h2>" in found.html
    assert not any(word in found.html for word in ("Logo", "Order", 'b"&gt;', "option"))


@pytest.mark.parametrize("name", ["svg", "button", "script"])
@pytest.mark.parametrize("attributes", [" ", " a='", ' a="">'])
def test_what_is_never_closed_stays_and_takes_no_time(name: str, attributes: str) -> None:
    html = f"<{name}{attributes}" * 50_000

    assert len(without_unseen(html)) <= len(html)
