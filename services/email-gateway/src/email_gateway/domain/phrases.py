"""Words by which mail programs mark what their user did not write, in the languages they speak. All in lower case."""

from collections.abc import Iterator
from typing import Final


def _listed(text: str) -> Iterator[str]:
    return (word.strip() for line in text.strip().splitlines() for word in line.split("|"))


# How the sentence above a quote ends, or what it has in it, and how it begins.
SAYS: Final = tuple(
    _listed("""
    wrote | writes | schrieb | schrieb am | a écrit | escribió | escribio | ha scritto | escreveu | schreef
    napisał | napisała | napisał(a) | pisze | skrev | kirjoitti | написал | написал(а) | пишет | yazdı
    のメール | さんは書きました | は書きました | のメッセージ | 写道 | 寫道 | 写到 | geschreven
    het volgende geschreven
""")
)
OPENERS: Final = (
    *("on ", "am ", "le ", "el ", "il ", "em ", "op ", "w dniu", "dnia", "den ", "a ", "på "),
    *("在", "于", "20"),
)
# On the rule above a message that is answered, or passed on.
ORIGINAL: Final = frozenset(
    _listed("""
    mensagem original | mensaje original | message d'origine | message d’origine | message original
    messaggio originale | oorspronkelijk bericht | oprindelig meddelelse | original | original appointment
    original message | originalnachricht | origineel bericht | oryginalna wiadomość | reply message
    ursprungligt meddelande | ursprüngliche nachricht | wiadomość oryginalna | исходное сообщение
    元のメッセージ | 原始信件 | 原始邮件 | 原始郵件 | 邮件原件
""")
)
FORWARDED: Final = tuple(
    _listed("""
    forwarded message | forwarded by | weitergeleitete nachricht | message transféré | message transmis
    mensaje reenviado | messaggio inoltrato | mensagem encaminhada | doorgestuurd bericht
    wiadomość przekazana | przekazana wiadomość | 転送メッセージ | 转发的邮件 | 转发邮件 | 轉寄郵件
    begin forwarded message | anfang der weitergeleiteten | début du message
""")
)
# Before the subject of a message that is passed on.
FORWARD_PREFIXES: Final = frozenset(
    _listed("""
    doorst | enc | fw | fwd | i | pd | rv | tr | wg | 転送 | 轉寄 | 转发
""")
)
# Outlook's block of header fields.
FROM: Final = frozenset(
    _listed("""
    afzender | da | de | expéditeur | fra | from | från | mittente | nadawca | od | remitente | van | von
    от | 发件人 | 寄件人 | 寄件者 | 差出人 | 送信者
""")
)
SENT: Final = frozenset(
    _listed("""
    data | date | datum | enviada em | enviado | enviado el | enviado em | envoyé | envoyé le | fecha
    gesendet | inviato | sendt | sent | skickat | verzonden | wysłano | отправлено | 傳送日期 | 傳送時間
    发送时间 | 寄件日期 | 日付 | 日時 | 日期 | 时间 | 送信日時
""")
)
TO: Final = frozenset(
    _listed("""
    a | aan | an | destinataire | do | para | til | till | to | à | кому | 宛先 | 收件人 | 收件者
""")
)
SUBJECT: Final = frozenset(
    _listed("""
    assunto | asunto | betreff | emne | objet | oggetto | onderwerp | subject | temat | ämne | тема | 主旨
    主题 | 件名
""")
)
# How telephones' own lines begin.
MOBILE: Final = tuple(
    _listed("""
    sent from my | sent from outlook | sent from mail for | sent from yahoo | get outlook for | sent via
    von meinem | gesendet von | gesendet mit | diese nachricht wurde von meinem | envoyé de mon
    envoyé depuis | télécharger outlook | enviado desde | enviado do meu | enviado de meu | inviato da
    obter o outlook | verzonden vanaf | verstuurd vanaf | wysłane z | wysłano z | iphoneから送信
    ipadから送信 | androidから送信 | 发自我的 | 发送自 | 從我的 | 我的iphone | отправлено с
""")
)
# Of vacation programs that say nothing in the header. Whole beginnings: a customer may write about holidays.
AUTOMATIC_SUBJECTS: Final = tuple(
    _listed("""
    automatic reply: | auto-reply: | auto reply: | autoreply: | out of office | out of the office:
    auto response: | automatische antwort: | abwesenheitsnotiz | abwesend: | réponse automatique
    reponse automatique | absent du bureau | respuesta automática | respuesta automatica
    fuera de la oficina | risposta automatica | fuori ufficio | resposta automática | fora do escritório
    automatisch antwoord | afwezigheidsbericht | autosvar | automatiskt svar | automatyczna odpowiedź
    odpowiedź automatyczna | 自動返信 | 自动回复 | 自動回覆 | 不在通知 | автоответ
""")
)
# Before the @ of senders that nobody reads.
MACHINES: Final = frozenset(
    _listed("""
    bounce | bounces | do-not-reply | donotreply | mail-daemon | mailer-daemon | mailerdaemon
    nepasrepondre | no-reply | no_reply | nobody | noreply | noreply-dmarc-support | postmaster | root
""")
)
