"""What people decide: from `cdi decide` or a file of their own to staging."""

import csv

import pytest

from cdi import paths
from cdi.desk.standing import Standing, count_lost_decisions, read_standing
from cdi.errors import AgencyError, CdiError, StateError
from cdi.landing.batches import accepted_batches
from cdi.people import decisions
from cdi.people.decisions import add_decision
from cdi.sql import connect
from cdi.steps.extract import extract
from cdi.steps.run import is_up_to_date
from tests.conftest import SmallAgency, csv_bytes


def write(small: SmallAgency, name: str, *rows: dict[str, str]) -> None:
    """A file of decisions, as another tool would write it."""
    folder = paths.decisions(small.agency.agency)
    folder.mkdir(parents=True, exist_ok=True)
    lines = [[row.get(column, "") for column in decisions.HEADER] for row in rows]
    (folder / name).write_bytes(csv_bytes(decisions.HEADER, lines))


def row(reference: str, kind: str = "confirmed", **changed: str) -> dict[str, str]:
    """A decision about the call T-0002 that is in order, unless `changed` says otherwise."""
    return {
        "decision_reference": reference,
        "decision_kind": kind,
        "call_reference": "t0002",
        "decided_by": "1207",
        "decided_at": "2026-01-06 09:30:00",
        **changed,
    }


def staged(small: SmallAgency) -> list[tuple[object, ...]]:
    return small.rows(
        "select decision_reference, decision_kind, published_call_id, published_record_id, "
        "is_withdrawn "
        "from staging.stg_decisions order by 1"
    )


def test_where_nobody_decided_anything_there_is_nothing_new(ran: SmallAgency) -> None:
    step = extract("testville", "decisions", ran.interval)
    assert not step.is_new
    assert ran.rows("select count(*) from staging.stg_decisions") == [(0,)]
    assert is_up_to_date("testville", ran.interval)


def test_what_people_decide_makes_a_new_version_in_which_their_newest_word_counts(
    ran: SmallAgency,
) -> None:
    """Rows of files, one of them struck out, one said anew; and what the command writes."""
    write(ran, "a.csv", row("D1"), row("D2"), row("D3"))
    ran.extract_and_check("decisions")
    assert not is_up_to_date("testville", ran.interval)
    linked = row("D4", "link", record_reference="r1", crime_number="2")
    # the clock that wrote D3 was a year behind, and yet D3 came after D1
    late = row("D3", decided_at="2025-01-06 09:30:00+00:00")
    write(ran, "a.csv", row("D1"), late, linked)
    # of two files the later name has the newest word
    write(ran, "b-2026-01.csv", row("D5"))
    write(ran, "b-2026-02.csv", row("D5", "dismissed", reason_code="GOOD_INTENT"))
    decision = {"call_reference": "T-0002", "reason": "he says so, mail ada@example.org"}
    first = add_decision(
        ran.agency, {"decision_kind": "confirmed", "decided_by": "1207", **decision}
    )
    second = add_decision(
        ran.agency,
        {
            "decision_kind": "dismissed",
            "reason_code": "GOOD_INTENT",
            "decided_by": "1208",
            **decision,
        },
    )
    with (paths.decisions("testville") / "decisions.csv").open(encoding="utf-8") as handle:
        assert [line["decision_reference"] for line in csv.DictReader(handle)] == [first, second]
    assert ran.run()
    by_command = [(first, "confirmed"), (second, "dismissed")]
    assert staged(ran) == sorted(
        [
            ("D1", "confirmed", "T-0002", None, False),
            ("D2", "confirmed", "T-0002", None, True),  # struck out
            ("D3", "confirmed", "T-0002", None, False),
            ("D4", "link", "T-0002", "R1", False),
            ("D5", "dismissed", "T-0002", None, False),
            *((name, kind, "T-0002", None, False) for name, kind in by_command),
        ]
    )
    assert ran.rows(
        "select decision_reference, reason_masked from staging.stg_decisions "
        "where reason_masked <> '' order by 1"
    ) == sorted((name, "he says so, mail [email]") for name, _ in by_command)
    arrived = ran.rows(
        "select decision_reference from staging.stg_decisions where not is_withdrawn "
        "order by arrival"
    )
    assert [name for (name,) in arrived] == ["D1", "D3", "D4", "D5", first, second]
    # what the desk misses if its file is lost; the files of other programs are their own
    file = ran.published / "recording.duckdb"
    assert count_lost_decisions(ran.agency, file, read_standing(ran.agency)) == 0
    assert count_lost_decisions(ran.agency, file, Standing()) == 2
    # of D1 and D3 the older rows and of D5 the older file are superseded
    assert ran.rows(
        "select sum(read_count), sum(current_count), sum(withdrawn_count), sum(superseded_count) "
        "from conservation where dataset = 'decisions'"
    ) == [(10, 6, 1, 3)]
    assert not ran.run()


def test_each_rule_sets_its_row_apart_and_no_other(small: SmallAgency) -> None:
    write(
        small,
        "a.csv",
        row("D0", "released", second_person="1208", rule_id="FILE-07", content_id="1", reason="so"),
        row("D1", "guessed"),
        row("D14", "proposed", seen_likelihood="35.6%", reason_code="GOOD_INTENT"),
        row("D15", "passed", selection="by_taste"),
        row("D16", "undone", call_reference="", record_reference="R1"),
        row("D17", "proposed"),
        row("D18", "undone", seen_likelihood="possible", selection="lot", version_seen="v1"),
        row("D2", call_reference=""),
        row("D3", "null_link"),
        row("D4", "dismissed", reason_code="VICTIM_UNWILLING"),
        row("D4b", "dismissed"),
        row("D5", "released"),
        row("D6", "dismissed", reason_code="GOOD_INTENT", second_person="1207"),
        row("D7", crime_number="0"),
        row("D8", decided_by=""),
        row("D9", decided_at=""),
        row("D10", "dismissed", reason_code="GOOD_INTENT"),
        row("D13", decided_at="2999-01-06 09:30:00"),
        row("D11", "released", second_person="1208", rule_id="FILE-07", reason="for what?"),
        row("D12", "released", second_person="1208", rule_id="FILE-07", content_id="1"),
    )
    small.extract_and_check("decisions")
    (batch,) = accepted_batches("testville", "decisions")
    with connect() as con:
        accepted = con.execute(
            "select decision_reference from read_parquet(?) order by 1", [str(batch.rows)]
        ).fetchall()
        refused = con.execute(
            "select rule_id, count(*) from read_parquet(?) group by 1 order by 1",
            [str(batch.quarantine)],
        ).fetchall()
    assert accepted == [("D0",), ("D10",), ("D18",)]
    assert refused == [
        ("DEC-01", 1),
        ("DEC-02", 2),
        ("DEC-03", 1),
        ("DEC-04", 3),
        ("DEC-05", 1),
        ("DEC-06", 1),
        ("DEC-07", 1),
        ("DEC-09", 2),
        ("DEC-10", 1),
        ("DEC-11", 1),
        ("DEC-12", 1),
        ("TYPE-REQUIRED", 2),
    ]


def test_agency_yaml_says_nothing_of_decisions(small: SmallAgency) -> None:
    assert "decisions" in small.agency.sources
    small.settings["sources"]["decisions"] = small.settings["sources"]["crime_records"]
    small.write_settings()
    with pytest.raises(AgencyError, match=r"sources\.decisions"):
        _ = small.agency


def test_a_decision_against_a_rule_is_not_written(ran: SmallAgency) -> None:
    dismissed = {"decision_kind": "dismissed", "call_reference": "T-0002"}
    linked = {"decision_kind": "link", "call_reference": "T-0002", "record_reference": "R9"}
    for decision, problem in [
        (dismissed, "DEC-04"),
        ({"decision_kind": "confirmed"}, "DEC-02"),
        ({"decision_kind": "confirmed", "call_reference": "T-0099"}, "no log T-0099"),
        ({"decision_kind": "confirmed", "call_reference": "T-0003"}, "no such reported crime"),
        ({**dismissed, "reason_code": "ADMIN", "crime_number": "2"}, "no such reported crime"),
        (linked, "no record R9"),
    ]:
        with pytest.raises(CdiError, match=problem) as refused:
            add_decision(ran.agency, {"decided_by": "1207", **decision})
        assert refused.value.rule_id == "DECIDE-REFUSED"
    assert not paths.decisions("testville").exists()


def test_rape_is_dismissed_by_two_people(told: SmallAgency) -> None:
    decision = {
        "decision_kind": "dismissed",
        "call_reference": "T-0007",
        "decided_by": "1207",
        "reason_code": "CREDIBLE_CONTRARY",
    }
    with pytest.raises(CdiError, match="two people"):
        add_decision(told.agency, decision)
    assert add_decision(told.agency, {**decision, "second_person": "1208"})


def test_names_that_are_typed_must_be_listed_where_there_is_a_list(told: SmallAgency) -> None:
    told.settings["deciders"] = ["1207", "fcr.dep"]
    told.write_settings()
    decision = {
        "decision_kind": "dismissed",
        "call_reference": "T-0007",
        "reason_code": "CREDIBLE_CONTRARY",
    }
    for by, second, problem in [
        ("1207", "9999", "9999 may not decide"),
        ("1311", "9999", "1311 may not decide"),
        ("nobody", "1207", "nobody may not decide"),
        ("1207", "nobody", "nobody may not decide"),
    ]:
        with pytest.raises(CdiError, match=problem) as refused:
            add_decision(told.agency, {**decision, "decided_by": by, "second_person": second})
        assert refused.value.rule_id == "DECIDE-REFUSED"
    # who decides at the desk has signed in; it gives the hash of what the page showed
    signed_in = {"decided_by": "reader.one", "second_person": "reader.two", "evidence_hash": "e1"}
    assert add_decision(told.agency, {**decision, **signed_in})
    assert add_decision(told.agency, {**decision, "decided_by": "1207", "second_person": "FCR.Dep"})


def test_without_a_published_version_there_is_nothing_to_decide_about(small: SmallAgency) -> None:
    with pytest.raises(CdiError, match="no version of testville is published") as refused:
        add_decision(
            small.agency,
            {"decision_kind": "confirmed", "call_reference": "T-0002", "decided_by": "1207"},
        )
    assert refused.value.rule_id == "DECIDE-UNPUBLISHED"
    assert "make run AGENCY=testville, or on a server the DAG testville__extract" in (
        refused.value.fix
    )


def test_the_landing_of_decisions_never_shrinks_by_half_unseen(small: SmallAgency) -> None:
    write(small, "a.csv", row("D1"), row("D2"), row("D3"))
    small.extract_and_check("decisions")
    write(small, "a.csv", row("D3"))
    with pytest.raises(CdiError, match="FILE-07"):
        small.extract_and_check("decisions")
    assert len(accepted_batches("testville", "decisions")) == 1


def test_the_first_decision_is_not_sealed_with_another_key(ran: SmallAgency) -> None:
    """Such a key may be restored by mistake; with the right one, the file would be damaged."""
    key = paths.secrets() / "testville.key"
    mine = key.read_text(encoding="utf-8")
    decision = {"decision_kind": "confirmed", "call_reference": "T-0002", "decided_by": "1207"}
    key.chmod(0o600)
    key.write_text("ab" * 32 + "\n", encoding="utf-8")
    with pytest.raises(StateError, match=r"LANDING-DAMAGED.*the agency's key is another one"):
        add_decision(ran.agency, decision)
    assert not paths.decisions_file("testville").exists()
    key.write_text(mine, encoding="utf-8")
    add_decision(ran.agency, decision)
