"""Vacation programs, lists, calendars, and the failures of mail servers."""

from typing import Final

from email_gateway.testing.corpus.writing import Sample, entity, mail, multipart, text

OWN_ID: Final = "0f3c.aaaabbbbccccdddd@shop.example"
_RETURNED: Final = entity(
    "Content-Type: message/rfc822",
    body=f"From: Help <help@shop.example>\nTo: anna@gone.example\nMessage-ID: <{OWN_ID}>\nSubject: Your "
    f"order\n\nHello\n",
)
_DAEMON: Final = (
    "From: MAILER-DAEMON@mx.example (Mail Delivery System)",
    "Return-Path: <>",
    "Auto-Submitted: auto-replied",
)


def _report(letter: str, status: str, returned: bytes = _RETURNED, *, kind: str = "delivery-status") -> bytes:
    parts = (text(letter), entity(f"Content-Type: message/{kind}", body=status), returned)
    return multipart("report; report-type=delivery-status", *parts, fields=_DAEMON)


def _automatic(name: str, *fields: str, kind: str, body: str = "I am away.") -> Sample:
    return Sample(name=f"automatic_{name}", raw=mail(*fields, body=body), expected={"kind": kind})


_AUTOMATIC: Final = [
    _automatic("vacation", "Auto-Submitted: auto-replied (vacation)", "Return-Path: <>", kind="auto_reply"),
    _automatic("exchange", "X-Auto-Response-Suppress: All", "Auto-Submitted: auto-generated", kind="auto_reply"),
    _automatic("subject_en", "Subject: Automatic reply: Order", kind="auto_reply"),
    _automatic("subject_de", "Subject: =?utf-8?Q?Abwesenheitsnotiz:_bin_weg?=", kind="auto_reply"),
    _automatic("subject_fr", "Subject: Réponse automatique : Commande", kind="auto_reply"),
    _automatic("subject_es", "Subject: Respuesta automática: Pedido", kind="auto_reply"),
    _automatic("subject_ja", "Subject: 自動返信：ご注文", kind="auto_reply"),
    _automatic("autoreply_field", "X-Autoreply: yes", kind="auto_reply"),
    _automatic("precedence", "Precedence: auto_reply", kind="auto_reply"),
    _automatic("list", "List-Id: <news.example>", "List-Unsubscribe: <mailto:u@x.example>", kind="bulk"),
    _automatic("bulk", "Precedence: bulk", kind="bulk"),
    _automatic("hops", "X-Centralino-Hops: 3", kind="loop"),
    _automatic("in_our_name", "From: Help <help@shop.example>", kind="person"),
    _automatic("received", *[f"Received: from a by b{number}" for number in range(60)], kind="loop"),
    _automatic("person_on_holiday", "Subject: My holiday order", "Auto-Submitted: no", kind="person"),
    Sample(
        name="automatic_suppressed",
        raw=mail("X-Auto-Response-Suppress: OOF, AutoReply", body="x"),
        expected={"kind": "person", "reasons": ["x-auto-response-suppress"]},
    ),
    Sample(name="automatic_noreply", raw=mail("From: noreply@x.example", body="x"), expected={"reasons": ["sender"]}),
]
_FEEDBACK: Final = (
    "Feedback-Type: {kind}\nUser-Agent: Mail/1\nVersion: 1\n"
    "Original-Mail-From: <reply+0f3c.aaaabbbbccccdddd@shop.example>\n"
    "Arrival-Date: Mon, 2 Mar 2026 10:00:00 +0000\nReported-Domain: shop.example\n"
)


def _feedback(name: str, kind: str, *more: str, returned: bytes = _RETURNED, complaint: object) -> Sample:
    fields = _FEEDBACK.format(kind=kind) + "".join(f"{each}\n" for each in more)
    report = entity("Content-Type: message/feedback-report", body=fields)
    raw = multipart(
        "report; report-type=feedback-report", text("Complaint."), report, returned, fields=("From: fbl@isp.example",)
    )
    return Sample(
        name=f"complaint_{name}", raw=raw, expected={"kind": "complaint", "complaint": complaint, "reports": []}
    )


_COMPLAINTS: Final = [
    _feedback(
        "abuse",
        "abuse",
        "Original-Rcpt-To: <Anna@gone.example>",
        "Original-Rcpt-To: b@gone.example",
        complaint=(OWN_ID, "abuse", ["anna@gone.example", "b@gone.example"]),
    ),
    _feedback(
        "redacted",
        "Abuse",
        "Removal-Recipient: redacted",
        returned=entity("Content-Type: text/rfc822-headers", body=f"Subject: x\nMessage-ID: <{OWN_ID}>\n"),
        complaint=(OWN_ID, "abuse", []),
    ),
    _feedback("not_spam", "not-spam", complaint=(OWN_ID, "not-spam", [])),
    _feedback("without_a_message", "x" * 99, returned=text("gone"), complaint=(None, "x" * 40, [])),
    _feedback(
        "many_recipients",
        "abuse",
        *[f"Original-Rcpt-To: a{number}@x.example" for number in range(60)],
        complaint=(OWN_ID, "abuse", [f"a{number}@x.example" for number in range(50)]),
    ),
    Sample(
        name="complaint_sent_on_by_a_person",
        raw=multipart(
            "mixed", text("See."), entity("Content-Type: message/feedback-report", body="Feedback-Type: abuse\n")
        ),
        expected={"kind": "person", "complaint": None},
    ),
]
_BOUNCES: Final = [
    Sample(
        name="bounce_postfix",
        raw=_report(
            "This is the mail system at host mx.example.\n\n<anna@gone.example>: host gone.example said: 550 "
            "5.1.1 unknown\n",
            "Reporting-MTA: dns; mx.example\nX-Postfix-Queue-ID: 4F\n\nFinal-Recipient: rfc822; anna@gone.example\n"
            "Original-Recipient: rfc822;anna@gone.example\nAction: failed\nStatus: 5.1.1\nRemote-MTA: dns; "
            "gone.example\n"
            "Diagnostic-Code: smtp; 550 5.1.1 <anna@gone.example>:\n    user unknown\n",
        ),
        expected={"kind": "bounce", "reports": [(OWN_ID, "anna@gone.example", "failed", "5.1.1")]},
    ),
    Sample(
        name="bounce_delayed",
        raw=_report(
            "Delayed.\n",
            "Reporting-MTA: dns; mx.example\n\nFinal-Recipient: rfc822; anna@gone.example\nAction: delayed\n"
            "Status: 4.4.1\n",
            entity("Content-Type: text/rfc822-headers", body=f"Message-ID: <{OWN_ID}>\nSubject: Your order\n"),
        ),
        expected={"reports": [(OWN_ID, "anna@gone.example", "delayed", "4.4.1")], "files": []},
    ),
    Sample(
        name="bounce_gmail",
        raw=_report(
            "Address not found\n\nYour message wasn't delivered to anna@gone.example because the address "
            "couldn't be found.\n",
            "Reporting-MTA: dns; googlemail.com\nArrival-Date: Mon, 02 Mar 2026 01:00:00 -0800 (PST)\n"
            f"X-Original-Message-ID: <{OWN_ID}>\n\nFinal-Recipient: rfc822; anna@gone.example\nAction: failed\n"
            "Status: 5.1.1\nDiagnostic-Code: smtp; 550-5.1.1 The email account does not exist.\n",
        ),
        expected={"reports": [(OWN_ID, "anna@gone.example", "failed", "5.1.1")]},
    ),
    Sample(
        name="bounce_exchange",
        raw=_report(
            "Delivery has failed to these recipients or groups:\n\nanna@gone.example\n",
            "Reporting-MTA: dns;EX01.corp.example\nReceived-From-MTA: dns;mx.shop.example\n\n"
            "Original-Recipient: rfc822;anna@gone.example\nFinal-Recipient: rfc822;anna.muster@gone.example\n"
            "Action: failed\n"
            "Status: 5.7.1\nDiagnostic-Code: smtp;550 5.7.1 RESOLVER.RST.AuthRequired; authentication required\n"
            "X-Display-Name: Anna\n",
        ),
        expected={"reports": [(OWN_ID, "anna.muster@gone.example", "failed", "5.7.1")]},
    ),
    Sample(
        name="bounce_utf8",
        raw=_report(
            "Nicht zustellbar\n",
            "Reporting-MTA: dns; mx.example\n\nFinal-Recipient: utf-8; j\\x{F6}rg@ü.example\nAction: failed\n"
            "Status: 5.1.2\n",
            kind="global-delivery-status",
        ),
        expected={"reports": [(OWN_ID, "jörg@ü.example", "failed", "5.1.2")]},
    ),
    Sample(
        name="bounce_two_recipients",
        raw=_report(
            "Two.\n",
            "Reporting-MTA: dns; mx.example\n\nFinal-Recipient: rfc822; a@x.example\nAction: failed\nStatus: 5.0.0\n\n"
            "Final-Recipient: rfc822; b@x.example\nAction: relayed\nStatus: 2.0.0\n",
        ),
        expected={"reports": [(OWN_ID, "a@x.example", "failed", "5.0.0"), (OWN_ID, "b@x.example", "relayed", "2.0.0")]},
    ),
    Sample(
        name="bounce_qmail",
        raw=mail(
            "From: MAILER-DAEMON@mx.example",
            "Return-Path: <>",
            "Subject: failure notice",
            body="Hi. This is the qmail-send program at mx.example.\nI'm afraid I wasn't able to deliver your "
            "message to the"
            " following addresses.\nThis is a permanent error; I've given up. Sorry it didn't work out.\n\n"
            "<anna@gone.example>:\n192.0.2.1 does not like recipient.\nRemote host said: 550 5.1.1 User unknown\n\n"
            "--- Below this line is a copy of the message.\n\nReturn-Path: <help@shop.example>\n"
            f"Message-ID: <{OWN_ID}>\nSubject: Your order\n\nHello <bob@x.example>\n",
        ),
        expected={"kind": "bounce", "reports": [(OWN_ID, "anna@gone.example", "failed", "5.1.1")]},
    ),
    Sample(
        name="bounce_exim",
        raw=mail(
            "From: Mail Delivery System <Mailer-Daemon@mx.example>",
            "X-Failed-Recipients: anna@gone.example",
            "Auto-Submitted: auto-replied",
            "Return-Path: <>",
            body="This message was created automatically by mail delivery software.\n\nA message that you "
            "sent could not be"
            " delivered to one or more of its\nrecipients. This is a permanent error. The following "
            "address(es) failed:\n\n"
            "  anna@gone.example\n    host gone.example [192.0.2.1]\n    SMTP error from remote mail server "
            "after RCPT TO:\n"
            "    550 no such user here\n\n------ This is a copy of the message, including all the headers. ------\n\n"
            f"Message-ID: <{OWN_ID}>\n\nHello\n",
        ),
        expected={"kind": "bounce", "reports": [(OWN_ID, "anna@gone.example", "failed", "5.0.0")]},
    ),
    Sample(
        name="bounce_old_exchange",
        raw=mail(
            "From: System Administrator <postmaster@corp.example>",
            "Return-Path: <>",
            "Subject: Undeliverable: Your order",
            body="Your message did not reach some or all of the intended recipients.\n\n      Subject: Your order\n"
            "      Sent: 02.03.2026 09:12\n\nThe following recipient(s) could not be reached:\n\n"
            "anna@gone.example on 02.03.2026 09:13\n    The e-mail account does not exist. <mx.corp.example #5.1.1>\n",
        ),
        expected={"kind": "bounce", "reports": [(None, "anna@gone.example", "failed", "5.1.1")]},
    ),
    Sample(
        name="bounce_from_a_person",
        raw=mail(
            body="Your message did not reach some or all of the intended recipients, she said.\n<anna@gone.example>\n"
        ),
        expected={"kind": "person", "reports": []},
    ),
]
_CALENDAR: Final = (
    "BEGIN:VCALENDAR\nMETHOD:REQUEST\nBEGIN:VTIMEZONE\nTZID:X\nDTSTART:16010101T000000\nEND:VTIMEZONE\nBEGIN:VEVENT\n"
    'UID:u1@corp.example\nSUMMARY:Call\\, about\n  the order\nORGANIZER;CN="Anna: M":mailto:anna@customer.example\n'
    "DTSTART;TZID=Europe/Berlin:20260305T100000\nDTEND:20260305T100000Z\nBEGIN:VALARM\nSUMMARY:no\nEND:VALARM\nEND:VEVENT\n"
    "END:VCALENDAR\n"
)
_INVITES: Final = [
    Sample(
        name="invite_exchange",
        raw=multipart(
            "alternative",
            text("Please come"),
            entity("Content-Type: text/calendar; charset=utf-8; method=REQUEST", body=_CALENDAR),
        ),
        expected={
            "text": "Please come",
            "invites": [("REQUEST", "u1@corp.example", "Call, about the order", "anna@customer.example")],
            "starts": [("20260305T100000", "Europe/Berlin", None)],
            "files": [("invite.ics", "text/calendar")],
        },
    ),
    Sample(
        name="invite_gmail_twice",
        raw=multipart(
            "mixed",
            text("Please come"),
            entity("Content-Type: text/calendar; charset=utf-8; method=REQUEST", body=_CALENDAR),
            entity('Content-Type: application/ics; name="invite.ics"', body=_CALENDAR),
        ),
        expected={"files": [("invite.ics", "text/calendar")]},
    ),
    Sample(
        name="invite_cancelled",
        raw=mail(
            "Content-Type: text/calendar; charset=utf-8",
            body=_CALENDAR.replace("REQUEST", "CANCEL").replace(
                "DTSTART;TZID=Europe/Berlin:20260305T100000", "DTSTART:20260305T090000Z"
            ),
        ),
        expected={"starts": [("20260305T090000Z", None, 1772701200000)]},
    ),
    Sample(
        name="invite_broken",
        raw=mail("Content-Type: text/calendar", body="BEGIN:VEVENT\nEND"),
        expected={"invites": []},
    ),
]

_VOUCHED: Final = [
    Sample(
        name="vouched",
        raw=mail(
            'Authentication-Results: mx.shop.example 1; spf=pass (a (b) \\) c) smtp.mailfrom="customer.example";\n'
            " dkim=fail header.d=x.example; dkim=pass header.d=customer.example header.b=ab=;"
            " dmarc=pass header.from=a.example",
            body="x",
        ),
        expected={"kind": "person"},
    ),
    Sample(
        name="sealed",
        raw=mail(
            "Authentication-Results: mx.shop.example; dmarc=fail; arc=pass",
            "ARC-Seal: i=2; d=lists.example; cv=pass",
            "ARC-Authentication-Results: i=2; mx.lists.example; dmarc=pass",
            body="x",
        ),
        expected={"kind": "person"},
    ),
    Sample(
        name="own_ids",
        raw=mail(
            "To: reply+1.aaaaaaaaaaaaaaaa@shop.example, reply+x@shop.example",
            "In-Reply-To: <q1.aaaaaaaaaaaaaaaa@shop.example>",
            body="> Message-ID: <q1.aaaaaaaaaaaaaaaa@shop.example>, <@shop.example>",
        ),
        expected={"in_reply_to": ("q1.aaaaaaaaaaaaaaaa@shop.example",)},
    ),
]

SAMPLES: Final = [*_AUTOMATIC, *_BOUNCES, *_COMPLAINTS, *_INVITES, *_VOUCHED]
