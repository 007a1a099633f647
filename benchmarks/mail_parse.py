"""What it costs to understand an e-mail, against the package mail-parser, in CPU time of one process.

`ours`: `parse_mail`, all of it: safe HTML, what is quoted told from what is said, files typed by their bytes and
hashed, invites, bounces, the language.
`ours_bare`: of our functions those that do what mail-parser does: parts, decoded bodies and files, fields.
`mail_parser`: `parse_from_bytes`. It decodes all fields (and takes `Received` apart) and bodies, and leaves files in
base64.
`mail_parser_files`: the same, and its files decoded, as whoever wants them must.

The corpus's messages are small and many of them made to be dear; `mail_parse.corpus.message` is the median of the
messages' own ratios.
"""

import base64
import logging
import random
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from statistics import median
from typing import Any, Final

import mailparser
from email_gateway.domain.addresses import parse_addresses, parse_message_ids
from email_gateway.domain.charsets import decode
from email_gateway.domain.dates import parse_date
from email_gateway.domain.limits import Limits, Notes
from email_gateway.domain.parse import parse_mail
from email_gateway.domain.parts import decoded, read_parts
from email_gateway.domain.words import header_text
from email_gateway.testing.corpus import SAMPLES
from email_gateway.testing.corpus.writing import entity, inner, multipart, text

from benchmarks.report import Report

ROUNDS: Final = 10
ORDINARY_REPEATS: Final = 100
PEERS: Final = ("mail_parser", "mail_parser_files")
LIMITS: Final = Limits()
PEOPLE: Final = ("from", "sender", "reply-to", "to", "cc", "delivered-to")


def main() -> None:
    """Measure, print, and write `build/bench/mail_parse.jsonl`."""
    logging.getLogger("mailparser").setLevel(logging.CRITICAL)
    report, corpus = Report("mail_parse"), [sample.raw for sample in SAMPLES]
    measure(report, "corpus", corpus)
    measure(report, "ordinary", [ordinary()] * ORDINARY_REPEATS)
    measure(report, "large", [with_file(5_000_000)])
    apart = [[spent(arm, [raw]) for arm in (ours, mail_parser)] for raw in corpus for _ in range(3)]
    ratios = [median(peer / mine for mine, peer in apart[place : place + 3]) for place in range(0, len(apart), 3)]
    report.write("mail_parse.corpus.message", median(ratios), "x", values=ratios)


def measure(report: Report, job: str, messages: Sequence[bytes]) -> None:
    """Each arm's cost of a message, then the peers' over ours, of the same round."""
    costs: dict[str, list[float]] = {arm: [] for arm in ARMS}
    for number in range(-1, ROUNDS):  # the first warms everything up
        for arm in sorted(ARMS, reverse=number % 2 == 1):
            cost = spent(ARMS[arm], messages)
            if number >= 0:
                costs[arm].append(cost / len(messages) * 1e6)
    for arm, values in costs.items():
        report.write(f"mail_parse.{job}.{arm}", median(values), "us", values=values)
    for mine in ("ours", "ours_bare"):
        for peer in PEERS:
            ratios = [theirs / ours for ours, theirs in zip(costs[mine], costs[peer], strict=True)]
            report.write(f"mail_parse.{job}.{mine}.over_{peer}", median(ratios), "x", values=ratios)


def spent(arm: Callable[[bytes], object], messages: Iterable[bytes]) -> float:
    """CPU seconds for all of them."""
    began = time.process_time()
    for raw in messages:
        arm(raw)
    return time.process_time() - began


def ours(raw: bytes) -> object:
    """Production."""
    return parse_mail(raw)


def ours_bare(raw: bytes) -> object:
    """No HTML is looked into, nothing is hashed, typed or judged."""
    notes = Notes()
    headers, leaves = read_parts(raw, LIMITS, notes)
    contents: list[bytes | str] = []
    for leaf in leaves:
        data = decoded(leaf, LIMITS.decoded_bytes_max, notes)
        is_body = leaf.content.main.startswith("text/") and not leaf.file_name
        contents.append(decode(data, leaf.content.parameters.get("charset"), notes) if is_body else data)
    people = [parse_addresses(headers.first(name)[: LIMITS.header_value_bytes_max], LIMITS, notes) for name in PEOPLE]
    ids = [parse_message_ids(headers.first(name)) for name in ("message-id", "in-reply-to", "references")]
    return contents, people, ids, header_text(headers.first("subject"), notes), parse_date(headers.first("date"))


def mail_parser(raw: bytes) -> Any:  # Any: the package has no types
    """As its documentation begins."""
    parse: Callable[[bytes], Any] = mailparser.parse_from_bytes
    return parse(raw)


def mail_parser_files(raw: bytes) -> object:
    """Its files as bytes."""
    parsed = mail_parser(raw)
    return parsed, [base64.b64decode(one["payload"]) if one["binary"] else one["payload"] for one in parsed.attachments]


ARMS: Final[Mapping[str, Callable[[bytes], object]]] = {
    "ours": ours,
    "ours_bare": ours_bare,
    "mail_parser": mail_parser,
    "mail_parser_files": mail_parser_files,
}


def ordinary() -> bytes:
    """An answer as people send it: text and HTML with the quoted question, a picture in it, and a PDF; 115 KB."""
    quoted = "".join(f"Line {number} of what the shop had written, with a few words more.\n" for number in range(12))
    words = "".join(f"Sentence {number} of what the customer has to say about the order.\n" for number in range(8))
    above = "On Mon, 2 Mar 2026 at 09:12, Shop <help@shop.example> wrote:"
    html = (
        f"<html><head><style>p {{ margin: 0 }}</style></head><body><div dir='ltr'>{paragraphs(words)}"
        f"<img src='cid:picture@customer.example' alt='the parcel'></div><br><div class='gmail_quote'>"
        f"<div class='gmail_attr'>{above.replace('<', '&lt;').replace('>', '&gt;')}<br></div>"
        f"<blockquote class='gmail_quote'>{paragraphs(quoted)}</blockquote></div></body></html>"
    )
    said = f"{words}\n{above}\n" + "".join(f"> {line}\n" for line in quoted.splitlines())
    shown = file("image/png", "parcel.png", b"\x89PNG\r\n\x1a\n", 30_000, "Content-ID: <picture@customer.example>")
    related = inner("related", text(html, kind="html"), shown, boundary="=_related")
    bodies = inner("alternative", text(said), related, boundary="=_alternative")
    hops = tuple(
        f"Received: from mx{hop}.customer.example (mx{hop}.customer.example [192.0.2.{hop}])\n"
        f"\tby mx{hop + 1}.shop.example with ESMTPS id 4PqR{hop}s; Mon, 02 Mar 2026 10:00:0{hop} +0100"
        for hop in (1, 2, 3)
    )
    references = "References: <q1@shop.example>\n <q2@shop.example>"
    pdf = file("application/pdf", "invoice.pdf", b"%PDF-1.7\n", 50_000)
    return multipart("mixed", bodies, pdf, fields=(*hops, "In-Reply-To: <q2@shop.example>", references))


def with_file(size: int) -> bytes:
    """A line of text and a file of so many bytes."""
    return multipart("mixed", text("See the file.\n"), file("application/pdf", "scan.pdf", b"%PDF-1.7\n", size))


def paragraphs(lines: str) -> str:
    """Each line its own."""
    return "".join(f"<p style='font-size:12pt'><b>{line[:8]}</b>{line[8:]}</p>\n" for line in lines.splitlines())


def file(mime: str, name: str, beginning: bytes, size: int, *fields: str) -> bytes:
    """A file in base64 whose bytes look like what they are said to be."""
    data = beginning + random.Random(7).randbytes(size - len(beginning))
    disposition = f'Content-Disposition: attachment; filename="{name}"'
    encoding = "Content-Transfer-Encoding: base64"
    return entity(f"Content-Type: {mime}", encoding, disposition, *fields, body=base64.encodebytes(data))


if __name__ == "__main__":
    main()
