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


# The sum of fractions depends on the order in which they are added, and that on the threads of a
# build. What is added here is a whole number, whatever its order.
COUNT = r"(?:\w+\.)?\w+_(?:count|change)"
WHOLE_NUMBERS = re.compile(rf"(?s:cast\(.* as (?:integer|bigint)\))$|{COUNT}(?: \* {COUNT})?$")


def list_unordered_sums(sql: str) -> list[str]:
    """Sums and means of an expression that may be a fraction, in no order that is said."""
    windows = dict(re.findall(r"(\w+) as \(\s*(partition by [^()]*)\)", sql))
    unordered = []
    for match in re.finditer(r"\b(?:sum|avg|favg|fsum|stddev\w*|var_\w+|corr|regr_\w+)\(", sql):
        depth, end = 1, match.end()
        while depth:
            depth += {"(": 1, ")": -1}.get(sql[end], 0)
            end += 1
        argument, after = sql[match.end() : end - 1], sql[end:]
        over = re.match(r"\s*over (\w+|\([^()]*\))", after)
        window = windows.get(over[1], over[1]) if over else ""
        if not ("order by" in argument + window or WHOLE_NUMBERS.match(argument.strip())):
            unordered.append(sql[match.start() : end])
    return unordered


def test_fractions_are_summed_in_an_order_that_is_said() -> None:
    assert list_unordered_sums("sum(pow(2, weight)) over (partition by a)") == [
        "sum(pow(2, weight))"
    ]
    assert list_unordered_sums("avg(share)") == ["avg(share)"]
    assert list_unordered_sums("sum(share order by share) + sum(missed_count)") == []
    assert (
        list_unordered_sums("sum(odds) over w from t window w as (partition by a order by b)") == []
    )
    seen = 0
    for file in sorted(paths.DBT_PROJECT.glob("m*/**/*.sql")):
        if file.stem != "expected_as_found":  # a test, which allows a difference
            sql = file.read_text(encoding="utf-8")
            seen += len(re.findall(r"\b(?:sum|avg)\(", sql))
            assert list_unordered_sums(sql) == [], file.stem
    assert seen > 10
