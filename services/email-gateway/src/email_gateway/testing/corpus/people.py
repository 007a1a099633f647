"""Answers as the mail programs of the world write them."""

from typing import Final

from email_gateway.testing.corpus.writing import Sample, mail, multipart, text

_ASKED: Final = "Is it on its way?"
# The sentence above a quote, by program and language.
_SENTENCES: Final = {
    "gmail_en": "On Mon, 2 Mar 2026 at 09:12, Shop <help@shop.example> wrote:",
    "gmail_de": "Am Mo., 2. März 2026 um 09:12 Uhr schrieb Shop <help@shop.example>:",
    "gmail_fr": "Le lun. 2 mars 2026 à 09:12, Shop <help@shop.example> a écrit :",
    "gmail_es": "El lun, 2 mar 2026 a las 9:12, Shop (<help@shop.example>) escribió:",
    "gmail_it": "Il giorno lun 2 mar 2026 alle ore 09:12 Shop <help@shop.example> ha scritto:",
    "gmail_pt": "Em seg., 2 de mar. de 2026 às 09:12, Shop <help@shop.example> escreveu:",
    "gmail_nl": "Op ma 2 mrt 2026 om 09:12 schreef Shop <help@shop.example>:",
    "gmail_pl": "pon., 2 mar 2026 o 09:12 Shop <help@shop.example> napisał(a):",
    "gmail_ja": "2026年3月2日(月) 9:12 Shop <help@shop.example>:",
    "gmail_zh": "Shop <help@shop.example> 于2026年3月2日周一 09:12写道：",
    "thunderbird_pl": "W dniu 2.03.2026 o 09:12, Shop pisze:",
    "apple_wrapped": "On 2 Mar 2026, at 09:12, The Shop of All Good Things\n<help@shop.example> wrote:",
}
# Outlook's block: from, sent, to, subject.
_LABELS: Final = {
    "en": ("From", "Sent", "To", "Subject"),
    "de": ("Von", "Gesendet", "An", "Betreff"),
    "fr": ("De\u00a0", "Envoyé\u00a0", "À\u00a0", "Objet\u00a0"),
    "es": ("De", "Enviado el", "Para", "Asunto"),
    "it": ("Da", "Inviato", "A", "Oggetto"),
    "pt": ("De", "Enviada em", "Para", "Assunto"),
    "nl": ("Van", "Verzonden", "Aan", "Onderwerp"),
    "pl": ("Od", "Wysłano", "Do", "Temat"),
    "ja": ("差出人", "送信日時", "宛先", "件名"),
    "zh": ("发件人", "发送时间", "收件人", "主题"),
}
_RULES: Final = (
    "-----Original Message-----",
    "-----Ursprüngliche Nachricht-----",
    "-----Message d'origine-----",
    "-----Mensaje original-----",
    "-----Messaggio originale-----",
    "-----Oorspronkelijk bericht-----",
    "------------------ 原始邮件 ------------------",
)
_TELEPHONES: Final = {
    "en": "Sent from my iPhone",
    "de": "Von meinem iPhone gesendet",
    "fr": "Envoyé de mon iPhone",
    "es": "Enviado desde mi iPhone",
    "it": "Inviato da iPhone",
    "ja": "iPhoneから送信",
    "outlook": "Get Outlook for iOS<https://aka.example/o0ukef>",
}


def _sentences() -> list[Sample]:
    return [
        Sample(
            name=f"sentence_{name}",
            raw=_plain(f"No, thank you.\n\n{sentence}\n> {_ASKED}\n>\n> Your shop\n"),
            expected={"visible_text": "No, thank you.", "quoted_text": f"{sentence}\n> {_ASKED}\n>\n> Your shop"},
        )
        for name, sentence in _SENTENCES.items()
    ]


def _blocks() -> list[Sample]:
    found = []
    for language, (sender, sent, to, subject) in _LABELS.items():
        block = f"{sender}: Shop <help@shop.example>\n{sent}: 2.3.2026 09:12\n{to}: Anna\n{subject}: Order"
        raw = _plain(f"No, thank you.\n\n{'_' * 32}\n{block}\n\n{_ASKED}\n")
        found.append(Sample(name=f"outlook_{language}", raw=raw, expected={"visible_text": "No, thank you."}))
    return found


def _rules() -> list[Sample]:
    return [
        Sample(
            name=f"rule_{number}",
            raw=_plain(f"No.\n\n{rule}\n{_ASKED}\n"),
            expected={"visible_text": "No.", "quoted_text": f"{rule}\n{_ASKED}"},
        )
        for number, rule in enumerate(_RULES)
    ]


def _telephones() -> list[Sample]:
    return [
        Sample(
            name=f"telephone_{name}",
            raw=_plain(f"Yes please\n\n{line}\n\n> On 2 Mar 2026, at 09:12, Shop wrote:\n>\n> {_ASKED}\n"),
            expected={"visible_text": "Yes please"},
        )
        for name, line in _TELEPHONES.items()
    ]


def _plain(body: str) -> bytes:
    return mail("Subject: Re: Order", "Content-Type: text/plain; charset=utf-8", body=body)


def _html(body: str) -> bytes:
    return mail("Subject: Re: Order", "Content-Type: text/html; charset=utf-8", body=body)


_SINGLE: Final = [
    Sample(
        name="plain",
        raw=_plain("Where is my order 1234? Please send it.\n"),
        expected={
            "from": "anna@customer.example",
            "from_name": "Anna Muster",
            "to": ["help@shop.example"],
            "subject": "Re: Order",
            "message_id": "m1@customer.example",
            "sent_at_ms": 1772442000000,
            "text": "Where is my order 1234? Please send it.",
            "visible_text": "Where is my order 1234? Please send it.",
            "quoted_text": "",
            "html": "",
            "language": "en",
            "kind": "person",
            "warnings": (),
        },
    ),
    Sample(
        name="gmail_html",
        raw=multipart(
            "alternative",
            text("No, thank you.\n\nOn Mon, 2 Mar 2026 at 09:12, Shop <help@shop.example> wrote:\n\n> Still?\n"),
            text(
                '<div dir="ltr">No, <b>thank</b> you.</div><br><div class="gmail_quote"><div class="gmail_attr">On Mon '
                'wrote:<br></div><blockquote class="gmail_quote" style="margin:0">Still?</blockquote></div>\n',
                kind="html",
            ),
        ),
        expected={
            "visible_text": "No, thank you.",
            "visible_html": "<div>No, <b>thank</b> you.</div><br><div></div>",
            "html_has": ["Still?"],
            "files": [],
        },
    ),
    Sample(
        name="gmail_inline_html",
        raw=_html(
            '<div>Hello,</div><div class="gmail_quote"><div class="gmail_attr">On 2 Mar wrote:</div>'
            '<blockquote class="gmail_quote">Which colour?</blockquote><div>Blue.</div>'
            '<blockquote class="gmail_quote">Which size?</blockquote><div>Large.</div>'
            '<blockquote class="gmail_quote">Your shop</blockquote></div>'
        ),
        expected={
            "visible_text": "Hello,\n> On 2 Mar wrote:\n\n> Which colour?\n\nBlue.\n\n> Which size?\n\nLarge.",
            "html_has": ["Which colour?"],
            "visible_html_has": ["Which colour?", "Blue."],
        },
    ),
    Sample(
        name="outlook_web_html",
        raw=_html(
            '<div>Merci, c\'est bon.</div><div id="appendonsend"></div><hr style="width:98%"><div id="divRplyFwdMsg">'
            "<b>De :</b> Shop<br><b>Envoyé :</b> lundi<br></div><div>Est-elle arrivée?</div>"
        ),
        expected={
            "visible_text": "Merci, c'est bon.",
            "visible_html": "<div>Merci, c'est bon.</div>",
            "html_has": ["arrivée"],
        },
    ),
    Sample(
        name="outlook_desktop_html",
        raw=_html(
            "<style>p {color: red}</style><p class=MsoNormal>Passt, danke.</p><div><div style='border:none;"
            "border-top:solid #E1E1E1 1.0pt;padding:3.0pt 0cm 0cm 0cm'><p><b>Von:</b> Shop</p></div></div><p>Alt</p>"
        ),
        expected={"visible_text": "Passt, danke.", "visible_html": "<p>Passt, danke.</p><div></div>"},
    ),
    Sample(
        name="apple_html",
        raw=_html(
            "<div>Yes.</div><br><div><div>On 2 Mar 2026, at 09:12, Shop &lt;help@shop.example&gt; wrote:</div><br>"
            '<blockquote type="cite"><div>Did it arrive?</div></blockquote></div>'
        ),
        expected={"visible_text": "Yes.", "html_has": ["arrive"]},
    ),
    Sample(
        name="yahoo",
        raw=_html(
            '<div>All good</div><div id="ydp1yahoo_quoted_1" class="yahoo_quoted"><div>On Monday, 2 March 2026, '
            "Shop wrote:</div><div>Did it arrive?</div></div>"
        ),
        expected={"visible_text": "All good", "visible_html": "<div>All good</div>"},
    ),
    Sample(
        name="yahoo_plain",
        raw=_plain("All good\n\nOn Monday, 2 March 2026, 09:12:01 CET, Shop <help@shop.example> wrote:\n\nArrived?\n"),
        expected={"visible_text": "All good"},
    ),
    Sample(
        name="bottom_posting",
        raw=_plain("On 02.03.26 09:12, Shop wrote:\n> Did it arrive?\n> Your shop\n\nYes, yesterday.\n\n-- \nAnna\n"),
        expected={"visible_text": "Yes, yesterday."},
    ),
    Sample(
        name="inline_answers",
        raw=_plain(
            "Hello,\n\nOn 02.03.26 09:12, Shop wrote:\n> Which colour?\n\nBlue.\n\n> Which size?\n\nLarge.\n\n"
            "> Bye\n> Shop\n"
        ),
        expected={
            "visible_text": "Hello,\n\nOn 02.03.26 09:12, Shop wrote:\n> Which colour?\n\nBlue.\n\n> Which "
            "size?\n\nLarge.",
            "quoted_text": "> Bye\n> Shop",
        },
    ),
    Sample(
        name="not_a_quote",
        raw=_plain("My mother wrote:\nfrom: the box\n2 > 1 is true.\n--\nnot a signature? yes\n"),
        expected={"visible_text": "My mother wrote:\nfrom: the box\n2 > 1 is true."},
    ),
    Sample(
        name="only_a_quote",
        raw=_plain("> Did it arrive?\n"),
        expected={"visible_text": "> Did it arrive?", "quoted_text": ""},
    ),
    Sample(
        name="gmail_forward",
        raw=mail(
            "Subject: Fwd: Invoice",
            body="Please see below\n\n---------- Forwarded message ---------\nFrom: X <x@y.example>\nDate: "
            "Mon\nTo: a\n\nPay!\n",
        ),
        expected={
            "visible_text": "Please see below\n\n---------- Forwarded message ---------\nFrom: X <x@y.example>\n"
            "Date: Mon\nTo: a\n\nPay!",
            "quoted_text": "",
        },
    ),
    Sample(
        name="outlook_forward",
        raw=mail(
            "Subject: WG: Rechnung", body="Bitte.\n\nVon: X\nGesendet: Mo\nAn: Anna\nBetreff: Rechnung\n\nZahlen!\n"
        ),
        expected={"quoted_text": "", "subject": "WG: Rechnung"},
    ),
    Sample(
        name="flowed",
        raw=mail(
            "Content-Type: text/plain; charset=utf-8; format=flowed",
            body="This is one \nparagraph of \nthree lines.\nAnother.\n> quoted \n> too\n-- \nAnna\n",
        ),
        expected={"text": "This is one paragraph of three lines.\nAnother.\n> quoted too\n-- \nAnna"},
    ),
    Sample(
        name="flowed_delsp",
        raw=mail(
            "Content-Type: text/plain; charset=utf-8; format=flowed; delsp=yes", body="これは一つの \n段落です。\n"
        ),
        expected={"text": "これは一つの段落です。", "language": "ja"},
    ),
    Sample(
        name="html_only",
        raw=_html(
            "<html><head><title>t</title></head><body><p>Dear&nbsp;shop,</p><ul><li>one<li>two</ul><table><tr><td>a"
            "<td>b</table><pre>x\n  y</pre>&lt;end&gt;<span style='display: none'>hidden</span></body></html>"
        ),
        expected={"text": "Dear shop,\n\n- one\n- two\n\na\nb\n\nx\n  y\n\n<end>"},
    ),
    Sample(
        name="threaded",
        raw=mail(
            "In-Reply-To: <o2@shop.example>",
            "References: <o1@shop.example>\n <m0@customer.example>  <o2@shop.example>",
            "Reply-To: anna@home.example",
            "Delivered-To: help@shop.example",
            "X-Original-To: Reply+1.aaaa@shop.example",
            body="Yes.",
        ),
        expected={
            "in_reply_to": ("o2@shop.example",),
            "references": ("o1@shop.example", "m0@customer.example", "o2@shop.example"),
            "delivered_to": ("help@shop.example", "Reply+1.aaaa@shop.example"),
        },
    ),
]

SAMPLES: Final = [*_SINGLE, *_sentences(), *_blocks(), *_rules(), *_telephones()]
