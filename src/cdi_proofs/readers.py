"""Simpler readers of the same logs, to stand beside the pipeline in the scorecard.

Each says how many crimes a log tells of, by what the published file holds of the log itself: codes,
text, and what audits of other logs found. None is given a linked record. The two trained readers
cannot be made without an audit, and are left out then.

``opening_code``            one crime per log that was opened under a crime type
``tf_idf``                  logistic regression on codes and on TF-IDF of words, taught by the audit
``lexicon``                 codes and lexicon; a legitimate reason excuses a crime code
``text_model``              the text model's probabilities alone, whatever the codes say
``pipeline_without_links``  what the pipeline reads in the logs, before it looks at any record
"""

import contextlib
from typing import Any

import duckdb
import pyarrow as pa

from cdi.sql import scalar

NGRAMS = (1, 2)
MIN_LOGS = 2  # a word counts if it stands in so many audited logs
# Inverse strength of the regularisation of the logistic regression. It was chosen once, on seed 31,
# from which no figure is quoted.
C = 5.0
THRESHOLD = 0.5
LOGS_AT_A_TIME = 50_000
CODES = ("initial_type_code", "final_type_code", "disposition_code")
TEXTS = ("account_text", "closing_text")

JOINED_TEXTS = """
    select
        call_id,
        string_agg(entry, ' / ' order by entry_number)
            filter (where part = 'account') as account_text,
        string_agg(entry, ' / ' order by entry_number)
            filter (where part = 'closing') as closing_text
    from published.disclosure.int_disclosure__log_entries
    group by call_id
"""

BY_QUERY = {
    "opening_code": """
        select logs.call_id, 1 as named
        from published.disclosure.int_disclosure__logs as logs
        inner join published.codes.call_types as types on logs.initial_type_code = types.code
        where logs.is_in_calls and types.offence_group is not null
    """,
    # A log with a crime code tells of one crime at least, the code's own. So the first offence
    # group that its text tells of adds none.
    "lexicon": """
        with crime_types as (
            select code from published.codes.call_types where offence_group is not null
        ),

        reasons as (
            select reason_code from published.rules.reasons where is_legitimate
        ),

        excused as (
            select logs.call_id
            from published.disclosure.int_disclosure__logs as logs
            inner join published.codes.closures as closures on logs.disposition_code = closures.code
            where closures.reason_code in (from reasons)
            union
            select call_id
            from published.disclosure.int_disclosure__lexicon_hits
            where meaning = 'reason' and subject in (from reasons)
        ),

        told as (
            select call_id, count(distinct offence_group) as offence_groups
            from published.disclosure.int_disclosure__evidence_log_text
            where is_plain group by call_id
        )

        select
            logs.call_id,
            coalesce(told.offence_groups, 1) + coalesce(counts.further_victims, 0) as named
        from published.disclosure.int_disclosure__logs as logs
        left join published.disclosure.int_disclosure__text_reading as readings
            on logs.call_id = readings.call_id
        left join told on logs.call_id = told.call_id
        left join published.disclosure.int_disclosure__evidence_counts as counts
            on logs.call_id = counts.call_id
        where
            logs.is_in_calls
            and case
                when logs.initial_type_code in (from crime_types)
                    or logs.final_type_code in (from crime_types)
                    then coalesce(readings.lexicon_reading, 'nothing') <> 'no_crime'
                        and logs.call_id not in (from excused)
                else coalesce(readings.lexicon_reading, 'nothing') = 'crime'
            end
    """,
    "text_model": """
        select
            readings.call_id,
            case when readings.second_probability >= 0.5 then 2 else 1 end as named
        from published.disclosure.int_disclosure__text_reading as readings
        inner join published.disclosure.int_disclosure__logs as logs
            on readings.call_id = logs.call_id
        inner join published.rules.rulesets as rulesets on rulesets.ruleset = 'standard'
        where logs.is_in_calls and readings.crime_probability >= rulesets.min_text_probability
    """,
    "pipeline_without_links": """
        select crimes.call_id, count(*) as named
        from published.disclosure.int_disclosure__disclosed_crimes as crimes
        inner join published.disclosure.int_disclosure__decisions as decisions
            on crimes.call_id = decisions.call_id and crimes.crime_number = decisions.crime_number
        inner join published.rules.rulesets as rulesets on rulesets.ruleset = 'standard'
        where
            decisions.verdict <> 'justified'
            and crimes.evidence_rank >= rulesets.min_evidence_rank
        group by crimes.call_id
    """,
}
NAMES = ("opening_code", "tf_idf", "lexicon", "text_model", "pipeline_without_links")


def read_by_all(con: duckdb.DuckDBPyConnection) -> list[str]:
    """Let every reader say how many crimes each log tells of.

    The temporary table ``readings`` is made: reader, call_id, and how many crimes it names.

    Args:
        con: A connection to which the published file is attached as ``published``.

    Returns:
        The readers that could be made, in the order of `NAMES`.
    """
    con.execute("create temp table readings (reader varchar, call_id varchar, named bigint)")
    for reader, query in BY_QUERY.items():
        _keep_reading(con, reader, query)
    named = _find_crimes_by_words(con)
    if named is not None:
        con.register("named_by_words", pa.table({"call_id": pa.array(named, pa.uint64())}))
        _keep_reading(con, "tf_idf", "select call_id, 1 as named from named_by_words")
    is_made = {"tf_idf": named is not None, "text_model": _has_text_model(con)}
    return [reader for reader in NAMES if is_made.get(reader, True)]


def _keep_reading(con: duckdb.DuckDBPyConnection, reader: str, query: str) -> None:
    """Add to `readings` what a query gives by a log's number; the truth knows logs by texts."""
    con.execute(
        f"insert into readings select '{reader}', calls.call_id, named.named "
        f"from ({query}) as named "
        "inner join published.main.fct_calls as calls on named.call_id = calls.call_no"
    )


def _has_text_model(con: duckdb.DuckDBPyConnection) -> bool:
    """Whether the version was built with a trained text model."""
    return bool(
        scalar(
            con,
            "select count(crime_probability) "
            "from published.disclosure.int_disclosure__text_reading",
        )
    )


def _find_crimes_by_words(con: duckdb.DuckDBPyConnection) -> list[int] | None:
    """The logs that a linear model over words and codes takes for reports of a crime.

    None if no audit taught it both kinds of logs.
    """
    from scipy.sparse import csr_matrix, hstack
    from sklearn.feature_extraction.text import TfidfVectorizer
    from sklearn.linear_model import LogisticRegression
    from sklearn.preprocessing import OneHotEncoder

    con.execute("create or replace temp table texts as " + JOINED_TEXTS)
    names = [f"logs.{name}" for name in CODES] + [f"texts.{name}" for name in TEXTS]
    columns = ", ".join(f"coalesce({name}, '')" for name in names)
    logs = (
        f"select {columns}, {{}} from published.disclosure.int_disclosure__logs as logs "
        "left join texts on logs.call_id = texts.call_id {}"
    )
    audited = con.execute(
        logs.format(
            "labels.crimes > 0",
            "inner join published.disclosure.int_disclosure__audit_labels as labels "
            "on logs.call_id = labels.call_id where not logs.is_in_calls "
            "order by labels.published_call_id",
        )
    ).fetchall()
    is_crime = [row[-1] for row in audited]
    if len(set(is_crime)) < 2:
        return None
    codes = OneHotEncoder(handle_unknown="ignore").fit([row[: len(CODES)] for row in audited])
    words = {}
    for place in range(len(CODES), len(CODES) + len(TEXTS)):
        texts = [row[place] for row in audited]
        # After a small audit no word may stand in enough logs, and then this part tells nothing.
        with contextlib.suppress(ValueError):
            words[place] = TfidfVectorizer(ngram_range=NGRAMS, min_df=MIN_LOGS).fit(texts)

    def build_matrix(rows: list[tuple[Any, ...]]) -> csr_matrix:
        blocks = [codes.transform([row[: len(CODES)] for row in rows])]
        blocks += [
            vectorizer.transform([row[place] for row in rows])
            for place, vectorizer in words.items()
        ]
        return csr_matrix(hstack(blocks))

    model = LogisticRegression(C=C, max_iter=2000).fit(build_matrix(audited), is_crime)
    named: list[int] = []
    cursor = con.execute(logs.format("logs.call_id", "where logs.is_in_calls"))
    while rows := cursor.fetchmany(LOGS_AT_A_TIME):
        is_named = model.predict_proba(build_matrix(rows))[:, 1] >= THRESHOLD
        named += [row[-1] for row, is_chosen in zip(rows, is_named, strict=True) if is_chosen]
    return named
