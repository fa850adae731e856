"""The audit of the year before: a sample of its logs, and what faultless auditors found in each.

``audit/sample.csv``    one row per drawn log: stratum, inclusion probability, auditor, and what the
                        auditor read: its codes and its text
``audit/findings.csv``  one row per crime that a drawn log reports: class, whether and when recorded
``audit/*.csv.gz``      the drawn logs' source rows, as in the main extract
"""

import csv
from pathlib import Path

import duckdb
import numpy as np
import pyarrow as pa

from cdi_force.clock import HOUR
from cdi_force.extracts import Writer
from cdi_force.posterior import is_in_frame
from cdi_force.truth import call_ids
from cdi_force.year import JUSTIFIED, UNRECORDED, Year

AUDITORS = ("AUD01", "AUD02", "AUD03")

# What the auditor reads of a log: what was told (account), and how it was closed (closing).
SAMPLE = """
copy (
    select
        d.number as "Log Number", d.stratum as "Stratum", d.probability as "Inclusion Probability",
        d.auditor as "Auditor", c."Received", c."Initial Classification",
        c."Final Classification", c."Result Code", c."Qualifiers", t."Account", t."Closing"
    from design as d
    inner join shown_calls as c on d.number = c."Log Number"
    left join (
        select
            "Log Number",
            string_agg("Text", ' / ' order by "Sequence") filter (
                "Event" in ('FIRST ACCOUNT', 'UPDATE', 'REOPENED')) as "Account",
            string_agg("Text", ' / ' order by "Sequence") filter (
                "Event" = 'RESULT') as "Closing"
        from shown_log_actions group by all
    ) as t on d.number = t."Log Number"
    order by d.number
) to $sample (header, delimiter '|')
"""


def write_past_audit(year: Year, writer: Writer, folder: Path, seed: int) -> dict[str, int]:
    """Draw the audit of a year and write it; any log may be drawn, also a duplicate.

    Args:
        year: The year before the simulated window.
        writer: Of that year's extracts.
        folder: Made if absent; a force that was never audited has none.
        seed: Of the draw.

    Returns:
        Logs drawn by stratum.
    """
    sizes = year.scenario.settings.audit
    if not sizes.frame:
        return {"frame": 0, "others": 0}
    folder.mkdir(parents=True, exist_ok=True)
    rng = np.random.default_rng([seed, 1, 13])
    in_frame = is_in_frame(year)
    drawn, strata, probability = [], [], []
    for stratum, rows, size in (
        ("FRAME", np.flatnonzero(in_frame), sizes.frame),
        ("OTHER", np.flatnonzero(~in_frame), sizes.others),
    ):
        size = min(size, len(rows))
        drawn.append(rng.permutation(rows)[:size])
        strata += [stratum] * size
        probability += [size / len(rows)] * size
    chosen = np.concatenate(drawn)
    order = np.argsort(chosen)
    chosen = chosen[order]
    ids = call_ids(year)[chosen]
    with duckdb.connect() as con:
        records = np.flatnonzero(
            np.isin(year.records["log"], chosen) & (year.records["recorded"] < year.as_of)
        )
        label = str(np.datetime64(int(year.clock.start), "s"))[:4]
        writer.write_some(con, folder, label, chosen, records)
        design = {
            "number": ids.tolist(),
            "stratum": [strata[row] for row in order],
            "probability": [f"{probability[row]:.8f}" for row in order],
            "auditor": [AUDITORS[row % len(AUDITORS)] for row in order],
        }
        writer.show(con, chosen)
        con.register("design", pa.table(design))
        con.execute(SAMPLE, {"sample": str(folder / "sample.csv")})
    _write_findings(year, chosen, ids, folder / "findings.csv")
    return {"frame": len(drawn[0]), "others": len(drawn[1])}


def _write_findings(year: Year, chosen: np.ndarray, ids: np.ndarray, file: Path) -> None:
    crimes, offences = year.crimes, year.scenario.settings.offences
    number = dict(zip(chosen.tolist(), ids.tolist(), strict=True))
    rows = np.flatnonzero(np.isin(crimes["log"], chosen) & (crimes["fate"] != JUSTIFIED))
    rows = rows[np.lexsort((crimes["ordinal"][rows], crimes["log"][rows]))]
    with file.open("w", newline="", encoding="utf-8") as handle:
        table = csv.writer(handle, delimiter="|", lineterminator="\n")
        table.writerow(
            [
                "Log Number",
                "Crime",
                "HO Code",
                "HO Class",
                "Domestic Abuse",
                "Recorded",
                "Within 24 Hours",
                "Rightly Classified",
                "Occurrence Number",
            ]
        )
        for row in rows.tolist():
            offence = offences[crimes["offence"][row]]
            record = crimes["record"][row]
            is_recorded = crimes["fate"][row] != UNRECORDED
            is_late = crimes["recorded"][row] > crimes["reported"][row] + 24 * HOUR
            is_class_right = year.records["offence"][record] == crimes["offence"][row]
            table.writerow(
                [
                    number[crimes["log"][row]],
                    crimes["ordinal"][row],
                    offence.code,
                    offence.offence_class,
                    "Y" if crimes["is_da"][row] else "N",
                    "Y" if is_recorded else "N",
                    ("N" if is_late else "Y") if is_recorded else "",
                    ("Y" if is_class_right else "N") if is_recorded else "",
                    _format_record_number(year, record) if is_recorded else "",
                ]
            )


def _format_record_number(year: Year, record: int) -> str:
    prefix = year.scenario.settings.force.occurrence_prefix
    return f"{prefix}{int(year.records['number'][record]):09d}"
