from collections import Counter

import pytest
from email_gateway.domain.parse import parse_mail
from email_gateway.testing.corpus import SAMPLES
from email_gateway.testing.corpus.views import view
from email_gateway.testing.corpus.writing import Sample


@pytest.mark.parametrize("sample", SAMPLES, ids=lambda sample: sample.name)
def test_a_message_parses_to_what_it_says(sample: Sample) -> None:
    mail = parse_mail(sample.raw)

    for name, expected in sample.expected.items():
        if name == "html_has":
            assert [piece for piece in expected if piece not in mail.html] == []
        elif name == "visible_html_has":
            assert [piece for piece in expected if piece not in mail.visible_html] == []
        elif name == "html_lacks":
            assert [piece for piece in expected if piece in mail.html + mail.visible_html] == []
        elif name == "warns":
            assert expected <= view(mail, name)
        else:
            assert view(mail, name) == expected, name


def test_the_corpus_has_at_least_sixty_messages_of_different_names() -> None:
    names = Counter(sample.name for sample in SAMPLES)

    assert len(names) >= 60
    assert names.most_common(1)[0][1] == 1
