"""The draws of audits: what was frozen, the sample that was drawn from it, and who reads what.

``audit/<agency>/<draw>/`` has ``frame.parquet`` (every log with predictions, stratum and inclusion
probability), ``crimes.parquet`` (predictions by crime), ``sample.parquet`` (drawn logs and their
auditors) and, once all first readings are there, ``second.parquet`` (who reads which log a second
time). The register (`cdi.audit.register`) proves that they are unchanged.

The line of a draw, with its seed, strata and hashes, is on disk before the sample is drawn, and the
seed of the second readings with it: nobody can choose them. When a
log is erased, its number and its row hash are removed from the frame, and the register names its
position (a "hole"). The log's own hash, its leaf, stays, so that the hash of the frame still holds.
"""

import json
import secrets
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import cached_property, partial
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from cdi import paths
from cdi.audit.design import Options, Strata, draw_sample, stratify_frame
from cdi.audit.predictions import Frame, Period
from cdi.audit.register import Register, hash_parts
from cdi.errors import AuditError
from cdi.files import wait_for_lock
from cdi.landing.batches import refuse_moved
from cdi.sealed_files import is_as_sealed, write_sealed

# The files of a draw, with the rule that each breaks when it changed, and its name in the error.
FILES = (
    ("frame.parquet", "AUDIT-FRAME", "frame"),
    ("crimes.parquet", "AUDIT-PREDICTIONS", "predictions"),
    ("sample.parquet", "AUDIT-SAMPLE", "sample"),
)
ADJUDICATOR = "FCR"  # the force crime registrar, who decides where two auditors differ
PREDICTED = ("recorded", "due", "missed", "variance")
SECOND = "second.parquet"
AFTER_FIRST = "after_first"  # when second readings are drawn; in draws of before, with the sample
EXPIRED = "retention: as of "  # begins the reason of an erasure because of age, not by request
ERASED = -1  # in place of the second stratum of a log that was erased before


def frame_leaves(frame: Frame) -> list[str]:
    """Hash each log of a frame; these leaves together give the frame's hash.

    Args:
        frame: Logs with predictions.
    """
    return [
        hash_parts(call_id, row_hash)
        for call_id, row_hash in zip(
            frame.logs["call_id"].to_pylist(), frame.logs["row_hash"].to_pylist(), strict=True
        )
    ]


def predictions_hash(frame: Frame) -> str:
    """Hash all predictions in the order of the frame.

    It names no log, so it still holds when a log is erased.

    Args:
        frame: Logs with predictions.
    """
    parts = [frame.column(name).tobytes() for name in PREDICTED]
    crimes = frame.crimes.to_pylist()
    return hash_parts(*parts, json.dumps(crimes, sort_keys=True))


def districts_hash(frame: Frame) -> str:
    """Hash the districts of all logs in the order of the frame.

    It names no log, so it still holds when a log is erased.

    Args:
        frame: Logs with predictions.
    """
    return hash_parts(json.dumps(frame.logs["district"].to_pylist()))


@dataclass(frozen=True)
class Draw:
    """A sample that was drawn, with all that an estimate from it needs.

    Attributes:
        draw_id: Name of the draw and of its folder.
        facts: Its line in the register.
        frame: The frame as it was frozen, without the numbers of erased logs.
        strata: The strata as they were frozen.
        positions: Positions of the drawn logs in the frame, in order of their strata.
        holes: Positions of erased logs in the frame.
        auditors: First auditor of each drawn log.
        seconds: Second auditor of each drawn log, who does not know the first; empty for most, and
            for all as long as the second readings are not drawn.
        second_stratum: Stratum of each drawn log in the draw of the second readings, `ERASED` for
            one that was erased before; None if no log is read twice.
        first_counts: Crimes due and recorded in each drawn log, as its first auditor counted them
            when the second readings were drawn; None if they were drawn with the sample.
        expired: Those of the holes that retention made, because the logs became too old.
    """

    draw_id: str
    facts: dict[str, Any]
    frame: Frame
    strata: Strata
    positions: NDArray[np.int64]
    holes: frozenset[int]
    auditors: list[str]
    seconds: list[str]
    second_stratum: NDArray[np.int64] | None = None
    first_counts: NDArray[np.int64] | None = None
    expired: frozenset[int] = frozenset()

    @cached_property
    def expired_count(self) -> int:
        """How many of the drawn logs retention removed; with one of them the draw has no rate."""
        return len(self.expired.intersection(self.positions.tolist()))

    @property
    def awaits_second(self) -> bool:
        """Whether second readings are still to be drawn."""
        return (
            self.facts.get("seconds") == AFTER_FIRST
            and self.facts["double_blind"] > 0
            and self.second_stratum is None
            and not self.expired_count
        )

    @cached_property
    def is_counted(self) -> NDArray[np.bool_]:
        """Which logs of the frame the audit speaks of: all that the audited ones can stand for.

        Of a stratum that was drawn whole nobody is left to stand for an erased log, so the audit
        no longer speaks of it. In all other strata the audited logs stand for erased ones too.
        """
        is_whole = self.strata.audited == self.strata.population
        is_erased = np.isin(np.arange(len(self.frame.logs)), list(self.holes))
        return np.asarray(~(is_erased & is_whole[self.strata.of_log]))

    @cached_property
    def call_ids(self) -> list[str | None]:
        """Number of each drawn log; None where the log was erased."""
        drawn = self.frame.logs["call_id"].take(pa.array(self.positions))
        return list(drawn.to_pylist())


def draw_audit(
    agency: str,
    version: str,
    period: Period,
    frame: Frame,
    options: Options,
    auditors: Sequence[str],
    at: datetime,
    *,
    seed: int | None = None,
    reason: str | None = None,
) -> Draw:
    """Freeze a frame and its predictions, write the plan into the register, then draw.

    A draw of the same frame that was killed after its line in the register is finished: its plan
    and its seed stand there, so that the same logs are drawn.

    Args:
        agency: Name of the agency.
        version: Published version that the frame was read from.
        period: Period of the frame.
        frame: Logs with predictions.
        options: Options of the draw.
        auditors: Who will read: two at least. Kept in capitals, as in the landed readings.
        at: When it is drawn.
        seed: Of the random numbers; chosen at random by default.
        reason: Why a period is drawn again of which days were drawn before.

    Raises:
        AuditError: AUDIT-REDRAWN if days of the period were drawn before and no reason is given,
            also by a draw that was killed and cannot be finished, as the frame is another one;
            AUDIT-AUDITORS with fewer than two auditors, with the registrar among them, or with
            one whose number no file can be called by;
            AUDIT-SIZE if the audit is too small or too large for the frame.
        StateError: AGENCY-MOVED if the agency is worked on elsewhere.
    """
    register = Register(agency)
    if not register.draws():  # the lock makes the folder, and a refused first draw leaves nothing
        refuse_moved(agency)
        _check_auditors(agency, auditors)
        stratify_frame(frame, options)
    # The DAG and a command may draw at once. The one that waits then finds the draw of the other.
    with wait_for_lock(paths.audit(agency)):
        before = [line for line in register.draws() if period.overlaps(line["period"])]
        if before and not reason:
            return _finish_killed_draw(register, before[-1], period, frame, at)
        names = _check_auditors(agency, auditors)
        strata = stratify_frame(frame, options)
        facts = register.append(
            "draw",
            at,
            draw_id=f"{period.name}_{1 + sum(line['period'] == period.name for line in before)}",
            period=period.name,
            starts_at=period.starts_at.isoformat(),
            ends_at=period.ends_at.isoformat(),
            version=version,
            logs=options.logs,
            double_blind=options.double_blind,
            seconds=AFTER_FIRST,
            auditors=names,
            reason=reason,
            seed=secrets.randbits(63) if seed is None else seed,
            frame_hash=hash_parts(*frame_leaves(frame)),
            predictions_hash=predictions_hash(frame),
            districts_hash=districts_hash(frame),
            strata_hash=hash_parts(strata.of_log.tobytes()),
            population=strata.population.tolist(),
            audited=strata.audited.tolist(),
        )
        return _finish_draw(register, facts, frame, strata, at)


def _check_auditors(agency: str, auditors: Sequence[str]) -> list[str]:
    """Return the auditors in capitals and in order, or refuse if they cannot audit."""
    names = sorted({name.strip().upper() for name in auditors} - {""})
    if len(names) < 2 or ADJUDICATOR in names:
        raise AuditError(
            "AUDIT-AUDITORS",
            f"auditors of {agency}: {', '.join(names) or 'none'}",
            "name at least two, by staff number: a part of the logs is read twice, by two people, "
            f"and {ADJUDICATOR} decides where they differ",
        )
    if unfit := [name for name in names if "/" in name or not name.isprintable()]:
        raise AuditError(
            "AUDIT-AUDITORS",
            f"auditors of {agency}: {', '.join(map(repr, unfit))}",
            "name each by a staff number without a slash or a line break, as the file of "
            "their readings is called by it",
        )
    return names


def _finish_killed_draw(
    register: Register, facts: dict[str, Any], period: Period, frame: Frame, at: datetime
) -> Draw:
    """Finish an earlier draw of these days that was killed, or refuse to draw them again."""
    found = f"{facts['period']} of {register.agency} was drawn on {facts['at'][:10]}"
    if not _is_unfinished(register, facts):
        raise AuditError(
            "AUDIT-REDRAWN",
            f"{found}, and {period.name} has days of that period",
            "audit that sample; if you cannot, give the reason, which the register keeps",
        )
    if _is_frame_of_plan(facts, period, frame):
        options = Options(facts["logs"], double_blind=facts["double_blind"])
        strata = stratify_frame(frame, options)
        if hash_parts(strata.of_log.tobytes()) == facts["strata_hash"]:
            return _finish_draw(register, facts, frame, strata, at)
    raise AuditError(
        "AUDIT-REDRAWN",
        f"{found}, and killed before it had a sample; these are other logs, or their "
        "predictions have changed",
        f"finish it while version {facts['version']} is published, or give the reason for "
        "another draw, which the register keeps",
    )


def _is_unfinished(register: Register, facts: dict[str, Any]) -> bool:
    """Tell whether the process of a draw was killed: its sample has no line in the register."""
    sampled = {line["draw_id"] for line in register.entries() if line["kind"] == "sample"}
    return facts["draw_id"] not in sampled


def _is_frame_of_plan(facts: dict[str, Any], period: Period, frame: Frame) -> bool:
    """Tell whether the line of a draw was written for this period and frame."""
    planned = {
        "period": period.name,
        "frame_hash": hash_parts(*frame_leaves(frame)),
        "predictions_hash": predictions_hash(frame),
    }
    return planned.items() <= facts.items()


def _finish_draw(
    register: Register, facts: dict[str, Any], frame: Frame, strata: Strata, at: datetime
) -> Draw:
    """Write the files of a draw whose line is in the register, then the line of its sample."""
    folder = register.folder / facts["draw_id"]
    folder.mkdir(parents=True, exist_ok=True)
    frozen = {
        "leaf": pa.array(frame_leaves(frame)),
        "stratum": pa.array(strata.of_log),
        "inclusion_probability": pa.array(strata.probability),
    }
    logs = frame.logs
    for name, column in frozen.items():
        logs = logs.append_column(name, column)
    sample = _draw_and_assign(strata, facts)
    tables = {"frame": logs, "crimes": frame.crimes, "sample": sample}
    for name, table in tables.items():
        write_table(register.agency, table, folder / f"{name}.parquet")
    register.append("sample", at, draw_id=facts["draw_id"], sample_hash=hash_table(sample))
    return load_draw(register.agency, facts["draw_id"])


def _draw_and_assign(strata: Strata, facts: dict[str, Any]) -> pa.Table:
    """Draw the logs and assign their auditors; all follows from the seed in the register.

    Returns:
        One row per drawn log: position, auditor.
    """
    positions = draw_sample(strata, facts["seed"])
    # Random numbers of their own, so that the sample does not depend on the number of auditors.
    rng = np.random.default_rng([facts["seed"], 1])
    names, count = facts["auditors"], len(positions)
    first = rng.permutation(np.arange(count) % len(names))
    return pa.table({"position": positions, "auditor": [names[number] for number in first]})


def hash_table(drawn: pa.Table) -> str:
    """Hash what was drawn: a sample, or its second readings.

    Args:
        drawn: One row per drawn log.
    """
    return hash_parts(json.dumps(drawn.to_pydict(), sort_keys=True))


def load_draw(agency: str, draw_id: str) -> Draw:
    """Read a draw and prove that it is what the register says.

    Args:
        agency: Name of the agency.
        draw_id: Name of the draw in the register.

    Raises:
        AuditError: AUDIT-UNKNOWN if there is no such draw; AUDIT-FRAME, AUDIT-PREDICTIONS,
            AUDIT-STRATA or AUDIT-SAMPLE if a file was changed since, or cannot be read.
    """
    register = Register(agency)
    lines = register.entries()
    draws = {line["draw_id"]: line for line in lines if line["kind"] == "draw"}
    if draw_id not in draws:
        raise AuditError(
            "AUDIT-UNKNOWN",
            f"{agency} has no draw {draw_id}",
            f"choose one of: {', '.join(draws) or 'none yet, draw first'}",
        )
    facts, folder = draws[draw_id], register.folder / draw_id
    logs, crimes, drawn = (
        _read_table(draw_id, folder / name, rule_id, what) for name, rule_id, what in FILES
    )
    frame = Frame(logs, crimes)
    events = [line for line in lines if line.get("draw_id") == draw_id]
    erasures = [line for line in events if line["kind"] == "erasure"]
    holes = _positions_of(erasures)
    expired = _positions_of(line for line in erasures if line["reason"].startswith(EXPIRED))
    # A draw has exactly one sample: a second line of it would be a second draw by the same plan.
    sample_hashes = [line["sample_hash"] for line in events if line["kind"] == "sample"]
    proofs: list[tuple[str, str, Callable[[], bool]]] = [
        ("AUDIT-FRAME", "frame", lambda: _is_frame_of_draw(frame, facts, holes)),
        (
            "AUDIT-PREDICTIONS",
            "predictions",
            lambda: predictions_hash(frame) == facts["predictions_hash"],
        ),
        (
            "AUDIT-STRATA",
            "strata",
            lambda: hash_parts(_stratum_of_logs(logs).tobytes()) == facts["strata_hash"],
        ),
        ("AUDIT-SAMPLE", "sample", lambda: [hash_table(drawn)] == sample_hashes),
        # what no hash in the register speaks of, e.g. inclusion probabilities
        *(
            (rule_id, what, partial(is_as_sealed, agency, folder / name))
            for name, rule_id, what in FILES
        ),
    ]
    for rule_id, what, is_unchanged in proofs:
        _prove_unchanged(draw_id, rule_id, what, is_unchanged)
    population, audited = (np.array(facts[name], np.int64) for name in ("population", "audited"))
    second = _load_second(agency, draw_id, folder, drawn, events)
    return Draw(
        draw_id=draw_id,
        facts=facts,
        frame=frame,
        strata=Strata(_stratum_of_logs(logs), population, audited),
        positions=np.asarray(drawn["position"], np.int64),
        holes=holes,
        auditors=drawn["auditor"].to_pylist(),
        expired=expired,
        **second,
    )


def _positions_of(erasures: Iterable[dict[str, Any]]) -> frozenset[int]:
    return frozenset(position for line in erasures for position in line["positions"])


def _load_second(
    agency: str, draw_id: str, folder: Path, sample: pa.Table, events: list[dict[str, Any]]
) -> dict[str, Any]:
    """Read the second readings of a draw, as fields of `Draw`, and prove them unchanged."""
    if "second_auditor" in sample.column_names:  # drawn with the sample, as once was the rule
        seconds = sample["second_auditor"].to_pylist()
        stratum = np.zeros(len(seconds), np.int64) if any(seconds) else None
        return {"seconds": seconds, "second_stratum": stratum}
    # Two lines are equal if the last two sheets were delivered at once, as nobody chooses anything.
    hashes = {line["second_hash"] for line in events if line["kind"] == "second"}
    if not hashes:
        return {"seconds": [""] * len(sample)}
    file, what = folder / SECOND, "second readings"
    table = _read_table(draw_id, file, "AUDIT-SAMPLE", what)
    _prove_unchanged(draw_id, "AUDIT-SAMPLE", what, lambda: {hash_table(table)} == hashes)
    _prove_unchanged(draw_id, "AUDIT-SAMPLE", what, partial(is_as_sealed, agency, file))
    counts = [np.asarray(table[name], np.int64) for name in ("first_due", "first_recorded")]
    return {
        "seconds": table["second_auditor"].to_pylist(),
        "second_stratum": np.asarray(table["stratum"], np.int64),
        "first_counts": np.column_stack(counts),
    }


def read_assignments(agency: str) -> list[dict[str, Any]]:
    """List which log was given to whom, in all draws that are as the register has them.

    No reading of any other draw can count. That is no reason to refuse the readings of the rest, so
    such a draw is left out here.

    Args:
        agency: Name of the agency.

    Returns:
        One row per draw, log and auditor: draw_id, call_id, auditor_code, drawn_at (UTC). The
        registrar (``FCR``) has the logs that are read twice.

    Raises:
        AuditError: AUDIT-REGISTER, see `Register.entries`.
    """
    rows = []
    for line in Register(agency).draws():
        try:
            draw = load_draw(agency, line["draw_id"])
        except AuditError:
            continue
        facts = {"draw_id": draw.draw_id, "drawn_at": datetime.fromisoformat(line["at"])}
        for call_id, first, second in zip(draw.call_ids, draw.auditors, draw.seconds, strict=True):
            readers = (first, second, ADJUDICATOR) if second else (first,)
            rows += [
                {**facts, "call_id": call_id, "auditor_code": auditor}
                for auditor in readers
                if call_id is not None
            ]
    return rows


def read_drawn_logs(agency: str, draw_ids: Iterable[str]) -> list[dict[str, Any]]:
    """List the drawn logs with the chance of each to be drawn, of draws that are as registered.

    Args:
        agency: Name of the agency.
        draw_ids: Names of the draws; one that is unknown, or was changed since, has no logs here.

    Returns:
        One row per draw and log that was not erased: draw_id, call_id, inclusion_probability.
    """
    rows = []
    for draw_id in draw_ids:
        try:
            draw = load_draw(agency, draw_id)
        except AuditError:
            continue
        chances = draw.strata.probability[draw.positions].tolist()
        rows += [
            {"draw_id": draw_id, "call_id": call_id, "inclusion_probability": chance}
            for call_id, chance in zip(draw.call_ids, chances, strict=True)
            if call_id is not None
        ]
    return rows


def _is_frame_of_draw(frame: Frame, facts: dict[str, Any], holes: frozenset[int]) -> bool:
    """Tell whether leaves and districts are as drawn, and each log that is there has its leaf."""
    # draws of the first versions have no hash of the districts
    if "districts_hash" in facts and districts_hash(frame) != facts["districts_hash"]:
        return False
    logs = frame.logs
    leaves = logs["leaf"].to_pylist()
    rows = zip(logs["call_id"].to_pylist(), logs["row_hash"].to_pylist(), leaves, strict=True)
    return hash_parts(*leaves) == facts["frame_hash"] and all(
        number in holes if call_id is None else hash_parts(call_id, row_hash) == leaf
        for number, (call_id, row_hash, leaf) in enumerate(rows)
    )


def _stratum_of_logs(logs: pa.Table) -> NDArray[np.int64]:
    return np.asarray(logs["stratum"], np.int64)


def _read_table(draw_id: str, file: Path, rule_id: str, what: str) -> pa.Table:
    try:
        return pq.read_table(file)
    except (OSError, pa.ArrowException):  # the file is gone, or cut short
        raise _changed_since_draw(draw_id, rule_id, what) from None


def _prove_unchanged(
    draw_id: str, rule_id: str, what: str, is_unchanged: Callable[[], bool]
) -> None:
    try:
        if is_unchanged():
            return
    except (KeyError, TypeError, ValueError):  # a column is gone, or of another type
        pass
    raise _changed_since_draw(draw_id, rule_id, what)


def _changed_since_draw(draw_id: str, rule_id: str, what: str) -> AuditError:
    return AuditError(
        rule_id,
        f"the {what} of {draw_id} changed since the draw",
        "restore the audit folder from the backup, or draw again and give the reason",
    )


def erase_from_register(agency: str, call_ids: Iterable[str], at: datetime, reason: str) -> int:
    """Erase logs from all frozen frames; the register names the position of each.

    Args:
        agency: Name of the agency.
        call_ids: Numbers of the logs to erase.
        at: When they are erased.
        reason: Kept in the register.

    Returns:
        The number of rows that were blanked.

    Raises:
        AuditError: AUDIT-FRAME if a frame cannot be read: then nobody knows which logs it holds.
    """
    register, erased, count = Register(agency), set(call_ids), 0
    for line in register.draws():
        file = register.folder / line["draw_id"] / "frame.parquet"
        # A draw that was killed after its line and before its frame was written holds no log.
        if not file.is_file():
            continue
        logs = _read_table(line["draw_id"], file, "AUDIT-FRAME", "frame")
        positions = [
            position
            for position, call_id in enumerate(logs["call_id"].to_pylist())
            if call_id in erased
        ]
        if not positions:
            continue
        # The register comes first: a hole that it does not name would make the frame a forgery.
        register.append("erasure", at, draw_id=line["draw_id"], positions=positions, reason=reason)
        is_hole = np.isin(np.arange(len(logs)), positions)
        for name in ("call_id", "row_hash"):
            blanked = pa.array(logs[name].to_pylist(), pa.string(), mask=is_hole)
            logs = logs.set_column(logs.column_names.index(name), name, blanked)
        write_table(agency, logs, file)
        count += len(positions)
    return count


def note_cleaned_readings(
    agency: str, name: str, content: str | None, at: datetime, reason: str
) -> None:
    """Note that an erasure changes a file of readings, and what the file is afterwards.

    The line comes before the file is replaced, as that of a delivery does: otherwise a killed
    erasure would leave a file of which the register does not know.

    Args:
        agency: Name of the agency.
        name: Of the file; a draw's files begin with the name of the draw.
        content: The sha256 of the file as it will be; None if it is removed.
        at: When it is changed.
        reason: Kept in the register.
    """
    register = Register(agency)
    draw_id = next(
        (line["draw_id"] for line in register.draws() if name.startswith(f"{line['draw_id']}_")),
        None,
    )
    if draw_id is not None:  # else another program put it there, and no audit has it
        facts = {"draw_id": draw_id, "positions": [], "readings": {name: content}}
        register.append("erasure", at, reason=reason, **facts)


def write_table(agency: str, table: pa.Table, file: Path) -> None:
    """Write a table of a draw, and seal it.

    Args:
        agency: Name of the agency.
        table: To write.
        file: Where.
    """
    with write_sealed(agency, file) as written:
        pq.write_table(table, written, compression="zstd")
