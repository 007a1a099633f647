"""What is written to do harm."""

import io
import zipfile
from typing import Final

from email_gateway.testing.corpus.writing import Sample, entity, mail, multipart, several, text


def _bomb() -> bytes:
    kept = io.BytesIO()
    with zipfile.ZipFile(kept, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr(zipfile.ZipInfo("zeros.txt", (2026, 3, 2, 0, 0, 0)), b"\0" * 20_000_000, zipfile.ZIP_DEFLATED)
    return kept.getvalue()


def _deep(levels: int) -> bytes:
    body = text("bottom")
    for level in range(levels):
        body = entity(f"Content-Type: multipart/mixed; boundary=b{level}", body=several(body, boundary=f"b{level}"))
    return mail("Content-Type: multipart/mixed; boundary=top", body=several(text("top"), body, boundary="top"))


def _html(body: str) -> bytes:
    return mail("Content-Type: text/html; charset=utf-8", body=body)


BOMB: Final = _bomb()
SAMPLES: Final = [
    Sample(
        name="script",
        raw=_html(
            "<p onclick=alert(1)>Hi<script>alert(1)</script><ScRiPt src=//x.example>x</sCrIpT ><a "
            "href='javascript:alert(1)'>a"
            "</a><a href='https://ok.example'>b</a><iframe src=x></iframe><object data=x></object><svg "
            "onload=alert(1)></svg>"
        ),
        expected={
            "html_lacks": ["script", "onclick", "javascript", "iframe", "object", "svg", "alert"],
            "html_has": ['<a href="https://ok.example" rel="noopener noreferrer nofollow">b</a>'],
            "text": "Hiab",
        },
    ),
    Sample(
        name="tracking",
        raw=_html(
            '<img src="https://t.example/p.gif" width=1><img src="//t.example/q"><img src="cid:a@b"><img '
            "src=data:image/png;base64,AA>"
            '<div style="background:url(https://t.example/r)" background="https://t.example/s">x</div><link '
            "rel=stylesheet href=https://t.example/c>"
        ),
        expected={"html_lacks": ["t.example", "data:"], "html_has": ['src="cid:a@b"'], "has_remote_images": True},
    ),
    Sample(
        name="form",
        raw=_html(
            "<form action=https://x.example><input name=password><button>Log in</button></form><meta "
            "http-equiv=refresh content=0>"
        ),
        expected={"html_lacks": ["form", "input", "button", "meta"]},
    ),
    Sample(
        name="mutation",
        raw=_html(
            "<math><mtext><table><mglyph><style><!--</style><img title='--&gt;&lt;img src=1 onerror=alert(1)&gt;'>"
        ),
        expected={"html_lacks": ["onerror=alert(1)>"]},
    ),
    Sample(
        name="zip_bomb",
        raw=multipart("mixed", text("open it"), entity('Content-Type: application/zip; name="b.zip"', body=BOMB)),
        expected={"files": [("b.zip", "application/zip")], "data": [BOMB]},
    ),
    Sample(name="deep_parts", raw=_deep(400), expected={"text": "top", "warns": {"depth_cut"}}),
    Sample(
        name="many_parts",
        raw=multipart("mixed", *(text(f"p{number}") for number in range(3000))),
        expected={"warns": {"parts_cut"}},
    ),
    Sample(
        name="deep_html",
        raw=_html("<div>" * 20_000 + "x &lt;b&gt;"),
        expected={"html": "x &lt;b&gt;", "warns": {"html_too_costly"}},
    ),
    Sample(
        name="formatting_html",
        raw=_html("".join(f"<b id=a{number}>" for number in range(190)) + "<p>x" * 3000),
        expected={"warns": {"html_too_costly"}},
    ),
    Sample(name="endless_entity", raw=_html("a &#" + "9" * 6000 + "; b &#x41;"), expected={"html_has": ["a "]}),
    Sample(name="endless_ampersands", raw=_html("&" * 300_000), expected={"warns": {"html_too_costly"}}),
    Sample(name="endless_comment", raw=_html("a <!-- b" + "<!--" * 1000), expected={"text": "a"}),
    Sample(name="endless_quotes", raw=_html("a" + "<a '" * 2000), expected={}),
    Sample(
        name="html_file",
        raw=multipart(
            "mixed", text("x"), entity('Content-Type: image/png; name="a.png"', body="<svg onload=alert(1)>")
        ),
        expected={"files": [("a.png", "image/svg+xml")]},
    ),
    Sample(
        name="encoded_words",
        raw=mail("Subject: " + "=?" * 10_000 + "?=" + "=?utf-8?q?" * 2000, body="x"),
        expected={"text": "x"},
    ),
    Sample(name="comments", raw=mail("To: " + "(" * 20_000 + "a@b.example", body="x"), expected={"text": "x"}),
    Sample(name="quotes", raw=mail("To: " + '"' * 20_001, body="x"), expected={"text": "x"}),
    Sample(name="wrote", raw=mail(body="On 1 <a@b> " * 20_000 + "wrote:\n" * 3000), expected={}),
    Sample(name="marks", raw=mail(body=">" * 100_000 + "\n" + "> x\ny\n" * 5000), expected={}),
    Sample(
        name="parameters",
        raw=mail("Content-Type: text/plain" + "; a=" * 5000 + '"' + "; x*0=a" * 3000, body="x"),
        expected={"text": "x"},
    ),
    Sample(
        name="references",
        raw=mail("References: " + "<a@b>" * 100 + "<" * 20_000, body="x"),
        expected={"references": ("a@b",)},
    ),
]
