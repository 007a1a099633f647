"""HTML that may be shown: without scripts, forms, styles and remote content."""

import html as entities
from functools import cache
from typing import Final
from urllib.parse import unquote

import nh3

from email_gateway.domain.charsets import clean
from email_gateway.domain.limits import Limits, Notes
from email_gateway.domain.markup import Markup, read_markup
from email_gateway.domain.tree import Tree
from email_gateway.domain.unseen import without_unseen

_TAGS: Final = frozenset(nh3.ALLOWED_TAGS) - {"area", "map", "bdo", "dialog"} | {"font", "u", "center", "s"}
_CID: Final = "cid:"
_ID_CHARS_MAX: Final = 200


def _allowed() -> dict[str, set[str]]:
    found = {tag: set(names) for tag, names in nh3.ALLOWED_ATTRIBUTES.items()}
    found["img"] = {"src", "alt", "title", "width", "height"}
    found.setdefault("font", set()).update(("color", "size"))
    return found


def _kept(tag: str, attribute: str, value: str) -> str | None:
    """Images come from the message alone: whoever shows it must not be seen doing so."""
    scheme, rest = value.strip()[: len(_CID)], value.strip()[len(_CID) :]
    if tag == "img" and attribute == "src":
        return _CID + as_named(rest) if scheme.lower() == _CID else None
    if attribute in ("href", "cite"):
        return None if scheme.lower() == _CID else value
    return value


def as_named(content_id: str) -> str:
    """A Content-ID without its brackets, as HTML and files have it here: an URL encodes it (RFC 2392), and some
    programs write the URL's form into the field as well."""
    return clean(unquote(content_id[: 3 * _ID_CHARS_MAX])).strip()[:_ID_CHARS_MAX]


@cache
def _cleaner() -> nh3.Cleaner:
    return nh3.Cleaner(
        tags=set(_TAGS),
        attributes=_allowed(),
        attribute_filter=_kept,
        url_schemes={"https", "mailto", "cid"},
        url_relative="deny",
        link_rel="noopener noreferrer nofollow",
        strip_comments=True,
        clean_content_tags={"script", "style", "title", "textarea", "noscript", "template", "svg", "math", "select"},
    )


def sanitised(html: str, markup: Markup, limits: Limits, notes: Notes) -> str:
    """Safe HTML, empty where there is none.

    The sanitiser builds a browser's tree, which takes quadratic time for elements that are never closed, for many
    attributes and for ampersands without a name: what would take too long (see Limits) is shown as its text.
    """
    tree = markup.tree
    if tree.unsure and _is_costly(html, tree, limits):
        html = without_unseen(html)
        tree = read_markup(html).tree
    if _is_costly(html, tree, limits):
        notes.add("html_too_costly")
        return as_html("\n".join(line.text for line in markup.lines))
    return _cleaner().clean(html).strip()


def _is_costly(html: str, tree: Tree, limits: Limits) -> bool:
    if tree.unsure and html.count("<") > limits.html_unsure_tags_max:
        return True
    large = tree.work > limits.html_work_max or tree.work * tree.depth > limits.html_effort_max
    return large or html.count("&") > limits.html_entities_max


def as_html(text: str) -> str:
    """Plain text as HTML."""
    return entities.escape(text).replace("\n", "<br>\n")
