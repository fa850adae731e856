"""How the models are written, as far as no linter knows it."""

import re

from cdi import paths

READS = re.compile(r"\{\{ (?:ref|source)\(")
CTE = re.compile(r"^(?:with )?(\w+) as (?:not materialized )?\(\n(.*?)^\)", re.M | re.S)
# what a CTE that only names its model, some of its columns and rows, does not do
WORKS = re.compile(
    r"\b(join|group by|qualify|union|distinct|limit|unnest|over|any_value|max|min|avg|count|sum"
    r"|string_agg)\b"
)


def is_import(body: str) -> bool:
    """Whether a CTE does no more than name a model that the file reads."""
    return len(READS.findall(body)) == 1 and body.count("select") == 1 and not WORKS.search(body)


def test_a_file_names_what_it_reads_at_its_top_or_where_it_reads_it_but_never_both() -> None:
    with_imports = 0
    for file in sorted((paths.DBT_PROJECT / "models").glob("*/*.sql")):
        text = file.read_text(encoding="utf-8")
        imports = [is_import(body) for _, body in CTE.findall(text)]
        if not any(imports):
            continue
        with_imports += 1
        assert len(READS.findall(text)) == sum(imports), f"{file.stem}: reads beside its imports"
        assert imports == sorted(imports, reverse=True), f"{file.stem}: imports come first"
    assert with_imports > 30
