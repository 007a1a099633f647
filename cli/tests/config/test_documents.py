"""One document from many files."""

from pathlib import Path

import pytest
from centralino.config.documents import files_of, read_configuration_files, read_source
from centralino.config.errors import ConfigError

TENANT = "clients: [shop]\nskills: [es]\ndomains: [{id: main}]\n"
SUPPORT = "queues:\n  - {id: support, domain: main, name: Support, requirements: [{skill: es, minimum: 3}]}\n"


def written(folder: Path, **files: str) -> Path:
    for name, text in files.items():
        path = folder / name.replace("__", "/").replace("_", ".")
        path.parent.mkdir(exist_ok=True)
        path.write_text(text)
    return folder


def test_the_lists_of_all_files_of_a_folder_are_joined_in_the_order_of_their_paths(tmp_path: Path) -> None:
    more = '{"$schema": "x", "skills": ["fr"], "agents": [{"id": "ana", "domain": "main", "name": "Ana"}]}'
    folder = written(tmp_path, tenant_yaml=TENANT, a__support_yml=SUPPORT, people_json=more, empty_yaml="# later\n")
    written(tmp_path, cases_test_yaml="cases: []", hidden__notes_md="no", a__x_test_yml="cases: []")
    (tmp_path / ".git").mkdir()
    (tmp_path / ".git" / "x.yaml").write_text("a: b")

    _, configuration = read_configuration_files([folder])

    assert configuration.skills == ["fr", "es"]
    assert [queue.id for queue in configuration.queues] == ["support"]
    assert [path.name for path in files_of([folder])] == ["support.yml", "empty.yaml", "people.json", "tenant.yaml"]
    assert [path.name for path in files_of([folder], cases=True)] == ["x.test.yml", "cases.test.yaml"]


def test_a_name_in_two_files_is_refused_and_both_are_named(tmp_path: Path) -> None:
    written(tmp_path, a_yaml=TENANT + SUPPORT, b_yaml="# more\n" + SUPPORT)
    with pytest.raises(ConfigError) as refused:
        read_source([tmp_path])

    assert "queue main/support stands in" in str(refused.value)
    assert "a.yaml:5" in str(refused.value)
    assert "b.yaml:3" in str(refused.value)


@pytest.mark.parametrize("text", ["skills: [es, fr, es]", 'agents: [{"id": "ana"}, {"id": "ana"}]'])
def test_a_name_that_stands_twice_in_one_file_is_refused(tmp_path: Path, text: str) -> None:
    with pytest.raises(ConfigError, match=r"stands in .*a\.yaml:1 and in .*a\.yaml:1: keep one of them"):
        read_source([written(tmp_path, a_yaml=text)])


def test_queues_of_two_domains_may_have_one_name(tmp_path: Path) -> None:
    other = SUPPORT.replace("domain: main", "domain: other")

    source = read_source([written(tmp_path, a_yaml=SUPPORT, b_yaml=other)])

    assert len(source.document["queues"]) == 2  # type: ignore[arg-type]  # it is a list


def test_every_fault_is_told_with_file_line_and_name(tmp_path: Path) -> None:
    people = "agents:\n  - id: ana\n    domain: main\n    name: Ana\n    skills:\n      es: 9\n      fr: 1\n"
    written(tmp_path, a_yaml=TENANT + SUPPORT, b_yaml=people)
    with pytest.raises(ConfigError, match=r"b\.yaml:6: agent ana: skills\.es: must be 5 or less"):
        read_configuration_files([tmp_path])
    other = "agents: [{id: ben, domain: main, name: Ben}]"
    written(tmp_path, aa_yaml=other, b_yaml=people.replace("9", "5"))
    with pytest.raises(ConfigError, match=r"b\.yaml:7: agent ana: skills\.fr: there is no skill 'fr'"):
        read_configuration_files([tmp_path])


def test_a_rule_that_does_not_compile_is_told_with_line_and_column(tmp_path: Path) -> None:
    rules = 'rules:\n  - id: gold\n    domain: main\n    when: customer.tier = "gold"\n'
    written(tmp_path, a_yaml=TENANT, b_yaml=rules + "    queue: gone\n")
    with pytest.raises(ConfigError, match=r"b\.yaml:5: rule main/gold: queue: domain 'main' has no queue 'gone'"):
        read_configuration_files([tmp_path])
    with pytest.raises(ConfigError, match=r"b\.yaml:4: rule main/gold: when: line 1, column 15: .*compare with =="):
        read_configuration_files([tmp_path])


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("agnets: []", "there is no part 'agnets'; the parts are agents,"),
        ("agents: 3", "agents must be a list"),
        ("- a", "a document has parts by name"),
        (TENANT + "agents: [5]", "agent number 1: "),
        ("# later", "nothing stands there; a document has at least clients and domains"),
        ("skills: [x]", "clients: must be given"),
    ],
)
def test_a_document_of_another_form_is_told(tmp_path: Path, text: str, sentence: str) -> None:
    with pytest.raises(ConfigError) as refused:
        read_configuration_files([written(tmp_path, a_yaml=text)])

    assert sentence in str(refused.value)


def test_no_files_are_no_configuration(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"There is no \*\.yaml"):
        read_source([tmp_path])
    with pytest.raises(ConfigError, match="There is no file or folder"):
        read_source([tmp_path / "gone"])
