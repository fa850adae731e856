"""Rules that count audited logs for all logs, on samples of a force whose truth is known."""

import duckdb
import jinja2
import numpy as np
import pyarrow as pa
import pytest

from cdi import paths
from cdi.audit.design import Options, draw_sample, stratify_frame
from cdi.audit.predictions import Frame

LOGS, AUDITED, DRAWS = 30_000, 1_500, 60
RECORDED, EXCUSED = 0, 1  # kinds of logs; of the third kind are all others


@pytest.fixture
def con() -> duckdb.DuckDBPyConnection:
    """The tables that `int_outcomes__excused_crimes` reads, but for the labels."""
    con = duckdb.connect()
    con.execute("create table closures as select 'R' as code, 'FAR' as reason_code")
    con.execute("create table reasons as select 'FAR' as reason_code, true as excuses_crime")
    return con


def excused_crimes() -> str:
    """The model as SQL, reading tables of the names that it refers to."""
    file = paths.DBT_PROJECT / "models" / "outcomes" / "int_outcomes__excused_crimes.sql"

    def name(*parts: str) -> str:
        return parts[-1]

    return jinja2.Template(file.read_text(encoding="utf-8")).render(source=name, ref=name)


def test_crimes_behind_reasons_are_expected_as_often_as_they_are(
    con: duckdb.DuckDBPyConnection,
) -> None:
    """A sound force, in samples drawn by risk: what is expected is what is true, on average.

    One log in fifty that was closed with a reason is thought to hide a crime, and of these three in
    five do; of the others hardly any. Counted alike, the drawn logs let nearly twice as many be
    expected, and the rate was withheld in most samples.
    """
    rng = np.random.default_rng(7)
    kind = rng.choice(3, LOGS, p=[0.3, 0.4, 0.3])
    is_likely = rng.random(LOGS) < np.array([0.0, 0.02, 0.12])[kind]
    chance = np.where(is_likely, 0.6, 0.01)
    rare = np.array([0.002, 0.001, 0.01])[kind]
    missed = rng.random(LOGS) < np.where(is_likely, 0.6, rare)
    recorded = (kind == RECORDED).astype(int)
    due = recorded + (is_likely & (kind > EXCUSED))  # as the rules count, which believe the reasons
    frame = Frame(
        pa.table(
            {
                "recorded": recorded,
                "due": due,
                "missed": chance,
                "variance": 0.75**2 * chance * (1 - chance),
            }
        ),
        pa.table({"position": [0], "is_rape": [False], "is_domestic_abuse": [False]}),
    )
    strata = stratify_frame(frame, Options(AUDITED))
    counted = np.flatnonzero(due)
    tables = {
        "int_disclosure__logs": {
            "call_id": np.arange(LOGS),
            "is_in_calls": np.ones(LOGS, bool),
            "disposition_code": np.where(kind == EXCUSED, "R", "N"),
        },
        "int_outcomes__reported_crimes": {"reported_crime_id": counted, "call_id": counted},
        "int_outcomes__outcomes": {
            "reported_crime_id": counted,
            "ruleset": ["standard"] * len(counted),
            "outcome": np.where(recorded[counted] > 0, "recorded", "unrecorded"),
        },
    }
    for name, columns in tables.items():
        con.register(name, pa.table(columns))
    ((minimum,),) = con.execute(
        "select min_share from read_csv($file) where auditability_check = 'upheld_reason'",
        {"file": str(paths.DBT_PROJECT / "seeds" / "auditability_bounds.csv")},
    ).fetchall()
    truth = int(missed[kind == EXCUSED].sum())
    assert len(counted) / (len(counted) + truth) > minimum  # a sound force
    query, expected = excused_crimes(), []
    for seed in range(DRAWS):
        drawn = draw_sample(strata, seed)
        labels = {
            "call_id": drawn,
            "crimes": recorded[drawn] + missed[drawn],
            "recorded_crimes": recorded[drawn],
            "weight": 1 / strata.probability[drawn],
        }
        con.register("int_disclosure__audit_labels", pa.table(labels))
        expected.append(con.sql(query).fetchall()[0][-1])
    error = np.std(expected) / np.sqrt(DRAWS)
    assert np.mean(expected) == pytest.approx(truth, abs=3 * error)
    shares = len(counted) / (len(counted) + np.array(expected))
    assert (shares < minimum).mean() < 0.05
