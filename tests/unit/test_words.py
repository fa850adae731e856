"""The word test of `make check`: each rule finds its sample, and prose is told from code."""

from pathlib import Path

import pytest

import prose
from cdi import paths
from check_words import Rule, check_file, list_files, read_rules

RULES = read_rules()


def lines_of(kind: str, text: str) -> list[tuple[int, str]]:
    """The lines that a reader gives, stripped of the signs for what is no prose."""
    return [
        (first + number, line)
        for first, passage in prose.READERS[kind](text)
        for number, line in enumerate(passage.splitlines())
        if line.strip(" ¤¶")
    ]


def words_of(kind: str, text: str) -> str:
    """All words that a reader gives."""
    lines = " ".join(line for _, line in lines_of(kind, text))
    return " ".join(lines.replace("¤", " ").replace("¶", " ").split())


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.rule_id)
def test_a_rule_finds_its_bad_sample_and_not_its_good_one(rule: Rule) -> None:
    assert rule.pattern.search(rule.bad)
    assert not rule.pattern.search(rule.good)
    # also where a line ends between two words
    assert rule.pattern.search(rule.bad.replace(" ", "\n"))


def test_no_rule_forbids_what_another_one_proposes() -> None:
    for rule in RULES:
        for other in RULES:
            assert not other.pattern.search(rule.good), (rule.rule_id, other.rule_id)


def test_the_forty_six_sentences_are_there() -> None:
    names = {rule.rule_id for rule in RULES}
    assert {f"S{number}" for number in range(1, 47)} < names
    assert len(names) == len(RULES)


def test_of_markdown_code_and_links_are_not_read() -> None:
    text = (
        "# A heading\n\nSee `told` and [the\npage](told.md), *not* this:\n\n"
        "```sql\nselect told\n```\n\n| one | `two` |\n"
    )
    assert words_of(".md", text) == "A heading See and [the page , not this: one"
    assert [number for number, _ in lines_of(".md", text)] == [1, 3, 4, 10]


def test_of_a_template_texts_and_what_screen_readers_say_are_read() -> None:
    text = (
        '{% extends "base.html.j2" %}<style>p { color: told }</style>\n<p class="told">\n'
        '{{ "one log" if n == 1 else "two logs" }} of {{ told }} <b>in</b> all</p>'
        '<img alt="a chart of logs" src="told"><code>told</code>'
    )
    assert words_of(".j2", text) == "one log two logs of in all a chart of logs"


def test_of_a_module_strings_and_help_texts_are_read_but_no_docstring_comment_or_query() -> None:
    text = (
        '"""Not read by anybody here."""\n'
        "import typer\n"
        'QUERY = "select a from b where c"\n'
        'NAME = "told"\n'
        'say(f"{1} of the logs")  # not this comment\n'
        "@app.command()\n"
        "def draw():\n"
        '    """Help that people read."""\n'
        "def other():\n"
        '    """Not this text either."""\n'
    )
    assert lines_of(".py", text) == [(5, "¤ of the logs"), (8, "Help that people read.")]
    assert words_of(".py", '"""What the DAG does."""\ndoc = __doc__') == "What the DAG does."


def test_of_data_the_columns_and_keys_that_are_prose_are_read() -> None:
    assert words_of(".csv", "code,meaning\ntold,a text of ours\n") == "a text of ours"
    yaml = "columns:\n  - name: told\n    description: >\n      A text\n      of ours\n"
    assert lines_of(".yml", yaml) == [(3, "A text of ours")]
    sql = "-- not this one here\nselect told, 'a text of ours' as told from b"
    assert lines_of(".sql", sql) == [(2, "a text of ours")]


def test_a_finding_has_its_file_line_and_words(tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    page.write_text("One line.\n\nThe name stands\nin a column.\n", encoding="utf-8")
    [finding] = check_file(page, "docs/page.md")
    assert (finding.file, finding.line, finding.words) == ("docs/page.md", 3, "stands")
    # a rule may be lifted for some files
    page.write_text("The whole universe.", encoding="utf-8")
    assert list(check_file(page, "docs/page.md")) == []
    assert [f.rule.rule_id for f in check_file(page, "src/page.md")] == ["universe"]


def test_what_people_read_is_checked_and_what_is_generated_is_not() -> None:
    names = {name for _, name in list_files(paths.REPO)}
    assert {"README.md", "docs/worklist.md", "src/cdi/cli/people.py"} < names
    assert {"src/cdi/templates/report.html.j2", "dbt_project/seeds/reasons.csv"} < names
    assert not names & {"docs/rules.md", "CHANGELOG.md", "scripts/words.yaml"}
    assert [name for _, name in list_files(paths.REPO / "docs" / "audit.md")] == ["docs/audit.md"]
