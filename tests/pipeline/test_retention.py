"""What is older than its limit goes, relative to the newest data, and does not come again."""

import csv
from typing import Any

import pytest

from cdi import paths
from cdi.agency.load import load_agency
from cdi.agency.model import Agency
from cdi.erasure import take_out
from cdi.errors import AgencyError, BusyError
from cdi.files import take_lock
from cdi.landing import batches as landing_batches
from cdi.landing.batches import Batch, accepted_batches
from cdi.landing.forget import Forgotten, forget_in_batch
from cdi.sql import connect
from cdi.steps import retain as retain_step
from cdi.steps.extract import extract
from cdi.steps.retain import remove_expired, retain
from tests.conftest import CALLS, SmallAgency
from tests.pipeline.test_decisions import row, write

# as of 7 January; of the five calls, the last came on the 6th
YOUNG = [call[0] for call in CALLS if call[1] >= "2026-01-06"]


def limit(small: SmallAgency, **days: int) -> None:
    for dataset, number in days.items():
        small.settings["sources"][dataset]["retention_days"] = number
    small.write_settings()


def landed() -> list[str]:
    batches = accepted_batches("testville", "calls")
    with connect() as con:
        rows = con.execute(
            "select call_reference from read_parquet(?) order by 1",
            [[str(batch.rows) for batch in batches]],
        ).fetchall()
    return [str(call) for (call,) in rows]


@pytest.mark.parametrize("typed", ["T-0001", "t0001", " t0001 "])
def test_older_rows_go_and_do_not_come_again(small: SmallAgency, typed: str) -> None:
    small.extract_and_check()
    write(small, "a.csv", row("D1", call_reference=typed), row("D2", call_reference="t0005"))
    small.extract_and_check("decisions")
    assert landed() == [call[0] for call in CALLS]
    assert not remove_expired(small.agency, lambda line: None)  # no limit, nothing to do
    limit(small, calls=1)
    step = retain("testville")
    assert step.is_new
    assert "- 5  accepted rows of the landing" in step.note  # four calls, one decision
    assert landed() == YOUNG == ["T-0005"]
    (batch,) = accepted_batches("testville", "calls")
    counts = [batch.manifest[fate] for fate in landing_batches.FATES]
    assert counts == [5, 1, 0, 0, 4]
    with (paths.decisions("testville") / "a.csv").open(newline="") as handle:
        assert [decision["decision_reference"] for decision in csv.DictReader(handle)] == ["D2"]
    (decided,) = accepted_batches("testville", "decisions")
    assert (decided.manifest["accepted"], decided.manifest["erased"]) == (1, 1)
    # the reason by which an audit knows that its logs were too old (AUDIT-EXPIRED)
    assert '"retention: as of 2026-01-07"' in paths.tombstones("testville").read_text()
    # neither by the same source again nor by a second look
    for dataset in ("calls", "decisions"):
        assert not extract("testville", dataset, small.interval).is_new
    assert landed() == YOUNG
    again = retain("testville")
    assert not again.is_new
    assert again.note.startswith("- nothing is older than its limit")


def test_a_run_that_was_stopped_is_finished_by_the_next(
    ran: SmallAgency, monkeypatch: pytest.MonkeyPatch
) -> None:
    """First in the middle of the landing, then by a build that was running."""
    write(ran, "a.csv", row("D1", call_reference="T-0001"), row("D2", call_reference="T-0005"))
    ran.extract_and_check("decisions")
    assert ran.rows("select count(*) from fct_calls") == [(len(CALLS),)]
    limit(ran, calls=1)
    forget, datasets = forget_in_batch, []

    def killed(agency: Agency, batch: Batch, *arguments: Any) -> Forgotten:
        datasets.append(batch.manifest["dataset"])
        if len(datasets) == 2:
            raise KeyboardInterrupt
        return forget(agency, batch, *arguments)

    with monkeypatch.context() as patch:
        patch.setattr(take_out, "forget_in_batch", killed)
        with pytest.raises(KeyboardInterrupt):
            retain("testville")
    assert "calls" not in datasets  # which tell what is too old
    with monkeypatch.context() as patch:
        patch.setattr(retain_step, "publish_new", _busy)
        with pytest.raises(BusyError, match="BUILD-BUSY"):
            retain("testville")
    assert landed() == YOUNG
    (decided,) = accepted_batches("testville", "decisions")
    assert (decided.manifest["accepted"], decided.manifest["erased"]) == (1, 1)
    assert ran.rows("select count(*) from fct_calls") == [(len(CALLS),)]  # not published yet
    assert retain("testville").is_new
    assert ran.rows("select call_id from fct_calls") == [(call,) for call in YOUNG]
    assert len(list((paths.published("testville") / "versions").iterdir())) == 1
    assert not retain("testville").is_new


def _busy(agency: str) -> None:
    with (
        take_lock(paths.published(agency), agency),
        take_lock(paths.published(agency), agency),
    ):
        pass


def test_an_extraction_leaves_out_what_is_too_old(small: SmallAgency) -> None:
    limit(small, calls=1)
    small.extract_and_check()
    assert landed() == YOUNG
    (batch,) = accepted_batches("testville", "calls")
    assert batch.manifest["erased"] == len(CALLS) - len(YOUNG)


@pytest.mark.parametrize("calls", [None, 400])
def test_a_call_must_not_outlive_its_record(small: SmallAgency, calls: int | None) -> None:
    """It would look unrecorded."""
    limit(small, crime_records=365, **({"calls": calls} if calls else {}))
    with pytest.raises(AgencyError, match=r"sources\.calls\.retention_days"):
        load_agency("testville")
    limit(small, calls=365)
    assert load_agency("testville").sources["calls"].retention_days == 365
