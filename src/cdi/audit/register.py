"""The audit register: what was frozen, drawn and found, so that nobody can choose a kinder sample.

``audit/<agency>/register.jsonl``  one line per event, each with the hash of the line before: frozen
                                   facts of a draw, erasures, completions; lines are only added
``audit/<agency>/<draw>/``         ``frame.parquet`` (every log with predictions, stratum, inclusion
                                   probability), ``crimes.parquet`` (predictions by crime),
                                   ``sample.parquet`` (drawn logs, auditors)

The line of a draw, with seed, strata and hashes, is on disk before the sample is made. An erased
log leaves a named hole: its number and row hash are gone, its leaf in the frame's hash stays.
"""

import fcntl
import hashlib
import json
import os
import secrets
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from cdi import paths
from cdi.audit.design import Options, Strata, draw_sample, stratify_frame
from cdi.audit.predictions import Frame, Period
from cdi.errors import AuditError

ORIGIN = "0" * 64
FILES = (
    ("frame.parquet", "AUDIT-FRAME", "frame"),
    ("crimes.parquet", "AUDIT-PREDICTIONS", "predictions"),
    ("sample.parquet", "AUDIT-SAMPLE", "sample"),
)
ADJUDICATOR = "FCR"  # the force crime registrar, who decides where two auditors differ
PREDICTED = ("recorded", "due", "missed", "variance")


def _sha256(*parts: str | bytes) -> str:
    digest = hashlib.sha256()
    for part in parts:
        digest.update(part.encode() if isinstance(part, str) else part)
        digest.update(b"\x1f")
    return digest.hexdigest()


def frame_leaves(frame: Frame) -> list[str]:
    """What stands for each log in the frame's hash."""
    return [
        _sha256(call_id, row_hash)
        for call_id, row_hash in zip(
            frame.logs["call_id"].to_pylist(), frame.logs["row_hash"].to_pylist(), strict=True
        )
    ]


def predictions_hash(frame: Frame) -> str:
    """Over all predictions, by place in the frame: it holds when a log is erased."""
    parts = [frame.column(name).tobytes() for name in PREDICTED]
    crimes = frame.crimes.to_pylist()
    return _sha256(*parts, json.dumps(crimes, sort_keys=True))


def districts_hash(frame: Frame) -> str:
    """Over the districts of all logs, by place in the frame: it holds when a log is erased."""
    return _sha256(json.dumps(frame.logs["district"].to_pylist()))


class Register:
    """The register of one agency."""

    def __init__(self, agency: str) -> None:
        """Of an agency; nothing is made before the first event."""
        self.folder = paths.audit(agency)
        self.file = self.folder / "register.jsonl"

    def entries(self) -> list[dict[str, Any]]:
        """All events, oldest first.

        Raises:
            AuditError: AUDIT-REGISTER if a line was changed, removed or put in between.
        """
        if not self.file.exists():
            return []
        lines: list[dict[str, Any]] = []
        previous = ORIGIN
        for number, text in enumerate(self.file.read_bytes().splitlines()):
            try:
                line = json.loads(text)
                is_same = line["previous"] == previous and line["hash"] == _of_line(line)
            except (ValueError, KeyError, TypeError):  # half a line, or none of ours
                is_same = False
            if not is_same:
                raise AuditError(
                    "AUDIT-REGISTER",
                    f"{self.file}: line {number + 1} is not as it was written",
                    "restore the register from the backup; its audits cannot be trusted till then",
                )
            previous = line["hash"]
            lines.append(line)
        return lines

    def append(self, kind: str, at: datetime, **facts: Any) -> dict[str, Any]:
        """Add an event and wait until it is on disk."""
        self.folder.mkdir(parents=True, exist_ok=True)
        with self.file.open("a", encoding="utf-8") as handle:
            fcntl.flock(handle, fcntl.LOCK_EX)  # two people at once; goes when the file is closed
            lines = self.entries()
            line = {"kind": kind, "at": at.isoformat(), **facts}
            line["previous"] = lines[-1]["hash"] if lines else ORIGIN
            line["hash"] = _of_line(line)
            handle.write(json.dumps(line, sort_keys=True) + "\n")
            handle.flush()
            os.fsync(handle.fileno())
        return line

    def draws(self) -> list[dict[str, Any]]:
        """The draws, oldest first."""
        return [line for line in self.entries() if line["kind"] == "draw"]


def register_fingerprint(agency: str) -> str:
    """Hash of the register as it stands, proven or not: another one makes another estimate."""
    file = Register(agency).file
    return _sha256(file.read_bytes() if file.is_file() else b"")


def _of_line(line: dict[str, Any]) -> str:
    kept = {name: value for name, value in line.items() if name != "hash"}
    return _sha256(json.dumps(kept, sort_keys=True))


@dataclass(frozen=True)
class Draw:
    """A sample that was drawn, with all that an estimate from it needs.

    Attributes:
        draw_id: Its folder.
        facts: Its line in the register.
        frame: As frozen.
        strata: As frozen.
        positions: Of the drawn logs in the frame, by stratum.
        holes: Positions of erased logs.
        auditors: First auditor of each drawn log.
        seconds: Second, blind auditor; empty for most.
    """

    draw_id: str
    facts: dict[str, Any]
    frame: Frame
    strata: Strata
    positions: NDArray[np.int64]
    holes: frozenset[int]
    auditors: list[str]
    seconds: list[str]

    @property
    def call_ids(self) -> list[str | None]:
        """Of the drawn logs; none where the log was erased."""
        ids = self.frame.logs["call_id"].to_pylist()
        return [ids[position] for position in self.positions]


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
    """Freeze a frame and its predictions, write the plan down, then draw.

    Args:
        agency: Whose audit.
        version: Published version that the frame is from.
        period: Of the frame.
        frame: With predictions.
        options: Of the draw.
        auditors: Who will read; two at least. Kept in capitals, as readings are staged.
        at: When.
        seed: Chosen at random by default.
        reason: Why a period of which days were drawn already is drawn again.

    Returns:
        The draw.

    Raises:
        AuditError: AUDIT-REDRAWN if days of the period were drawn before and no reason is given;
            AUDIT-AUDITORS with fewer than two auditors, or the registrar among them.
    """
    register = Register(agency)
    before = [line for line in register.draws() if period.overlaps(line["period"])]
    if before and not reason:
        raise AuditError(
            "AUDIT-REDRAWN",
            f"{before[-1]['period']} of {agency} was drawn on {before[-1]['at'][:10]}, and "
            f"{period.name} has days of it",
            "audit that sample; if it cannot be, give the reason, which the register keeps",
        )
    names = sorted({name.strip().upper() for name in auditors} - {""})
    if len(names) < 2 or ADJUDICATOR in names:
        raise AuditError(
            "AUDIT-AUDITORS",
            f"auditors of {agency}: {', '.join(names) or 'none'}",
            "name two at least, by staff number: a part of the logs is read twice, by two people, "
            f"and {ADJUDICATOR} decides where they differ",
        )
    strata = stratify_frame(frame, options)
    marks = frame_leaves(frame)
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
        auditors=names,
        reason=reason,
        seed=secrets.randbits(63) if seed is None else seed,
        frame_hash=_sha256(*marks),
        predictions_hash=predictions_hash(frame),
        districts_hash=districts_hash(frame),
        strata_hash=_sha256(strata.of_log.tobytes()),
        population=strata.population.tolist(),
        audited=strata.audited.tolist(),
    )
    folder = register.folder / facts["draw_id"]
    folder.mkdir(parents=True, exist_ok=True)
    frozen = {
        "leaf": pa.array(marks),
        "stratum": pa.array(strata.of_log),
        "inclusion_probability": pa.array(strata.probability),
    }
    logs = frame.logs
    for name, column in frozen.items():
        logs = logs.append_column(name, column)
    _write(logs, folder / "frame.parquet")
    _write(frame.crimes, folder / "crimes.parquet")
    positions, first, second = _assign(strata, facts)
    drawn = pa.table({"position": positions, "auditor": first, "second_auditor": second})
    _write(drawn, folder / "sample.parquet")
    register.append("sample", at, draw_id=facts["draw_id"], sample_hash=_of_sample(drawn))
    return load_draw(agency, facts["draw_id"])


def _assign(
    strata: Strata, facts: dict[str, Any]
) -> tuple[NDArray[np.int64], list[str], list[str]]:  # fmt: skip
    """The drawn logs, who reads each, and who reads it too: by the seed alone."""
    positions = draw_sample(strata, facts["seed"])
    rng = np.random.default_rng([facts["seed"], 1])
    names, count = facts["auditors"], len(positions)
    first = rng.permutation(np.arange(count) % len(names))
    other = (first + rng.integers(1, len(names), count)) % len(names)
    is_twice = np.zeros(count, bool)
    is_twice[rng.permutation(count)[: round(facts["double_blind"] * count)]] = True
    second = [names[o] if twice else "" for o, twice in zip(other, is_twice, strict=True)]
    return positions, [names[f] for f in first], second


def _of_sample(drawn: pa.Table) -> str:
    return _sha256(json.dumps(drawn.to_pydict(), sort_keys=True))


def load_draw(agency: str, draw_id: str) -> Draw:
    """Read a draw back and prove that it is what the register says.

    Args:
        agency: Whose audit.
        draw_id: Of the register.

    Returns:
        The draw.

    Raises:
        AuditError: AUDIT-UNKNOWN if there is no such draw; AUDIT-FRAME, AUDIT-PREDICTIONS,
            AUDIT-STRATA or AUDIT-SAMPLE if a file was changed since, or cannot be read.
    """
    register = Register(agency)
    known = {line["draw_id"]: line for line in register.draws()}
    if draw_id not in known:
        raise AuditError(
            "AUDIT-UNKNOWN",
            f"{agency} has no draw {draw_id}",
            f"choose one of: {', '.join(known) or 'none yet, draw first'}",
        )
    facts, folder = known[draw_id], register.folder / draw_id
    logs, crimes, drawn = (_read(draw_id, folder / name, *told) for name, *told in FILES)
    frame = Frame(logs, crimes)
    erased = {
        position
        for line in register.entries()
        if line["kind"] == "erasure" and line["draw_id"] == draw_id
        for position in line["positions"]
    }
    hashes = [line["sample_hash"] for line in register.entries()
              if line["kind"] == "sample" and line["draw_id"] == draw_id]  # fmt: skip
    _prove(draw_id, "AUDIT-FRAME", "frame", lambda: _is_frame(logs, facts, erased))
    if "districts_hash" in facts:  # older draws have none
        _prove(
            draw_id, "AUDIT-FRAME", "frame",
            lambda: districts_hash(frame) == facts["districts_hash"],
        )  # fmt: skip
    _prove(
        draw_id, "AUDIT-PREDICTIONS", "predictions",
        lambda: predictions_hash(frame) == facts["predictions_hash"],
    )  # fmt: skip
    _prove(
        draw_id, "AUDIT-STRATA", "strata",
        lambda: _sha256(_of_log(logs).tobytes()) == facts["strata_hash"],
    )  # fmt: skip
    _prove(draw_id, "AUDIT-SAMPLE", "sample", lambda: [_of_sample(drawn)] == hashes)
    population, audited = (np.array(facts[name], np.int64) for name in ("population", "audited"))
    strata = Strata(_of_log(logs), population, audited)
    return Draw(
        draw_id,
        facts,
        frame,
        strata,
        np.asarray(drawn["position"], np.int64),
        frozenset(erased),
        drawn["auditor"].to_pylist(),
        drawn["second_auditor"].to_pylist(),
    )


def read_assignments(agency: str) -> list[dict[str, Any]]:
    """Who was given which log, of all draws that are as the register has them.

    Of another one nothing that was read can count; it is no reason to refuse what was read of the
    rest.

    Args:
        agency: Whose audits.

    Returns:
        One row per draw, log and auditor: draw_id, call_id, auditor_code, drawn_at (UTC). The
        registrar (``FCR``) has the logs that are read twice.

    Raises:
        AuditError: AUDIT-REGISTER, see `Register.entries`.
    """
    rows = []
    for line in Register(agency).draws():
        try:
            made = load_draw(agency, line["draw_id"])
        except AuditError:
            continue
        facts = {"draw_id": made.draw_id, "drawn_at": datetime.fromisoformat(line["at"])}
        for call_id, first, second in zip(made.call_ids, made.auditors, made.seconds, strict=True):
            readers = (first, second, ADJUDICATOR) if second else (first,)
            rows += [
                {**facts, "call_id": call_id, "auditor_code": who}
                for who in readers
                if call_id is not None
            ]
    return rows


def _is_frame(logs: pa.Table, facts: dict[str, Any], erased: set[int]) -> bool:
    marks = logs["leaf"].to_pylist()
    rows = zip(logs["call_id"].to_pylist(), logs["row_hash"].to_pylist(), marks, strict=True)
    return _sha256(*marks) == facts["frame_hash"] and all(
        number in erased if call_id is None else _sha256(call_id, row_hash) == leaf
        for number, (call_id, row_hash, leaf) in enumerate(rows)
    )


def _of_log(logs: pa.Table) -> NDArray[np.int64]:
    return np.asarray(logs["stratum"], np.int64)


def _read(draw_id: str, file: Path, rule_id: str, what: str) -> pa.Table:
    try:
        return pq.read_table(file)
    except (OSError, pa.ArrowException):  # gone, or cut short
        raise _changed(draw_id, rule_id, what) from None


def _prove(draw_id: str, rule_id: str, what: str, is_same: Callable[[], bool]) -> None:
    try:
        if is_same():
            return
    except (KeyError, TypeError, ValueError):  # a column is gone, or of another type
        pass
    raise _changed(draw_id, rule_id, what)


def _changed(draw_id: str, rule_id: str, what: str) -> AuditError:
    return AuditError(
        rule_id,
        f"the {what} of {draw_id} changed since the draw",
        "restore the audit folder from the backup, or draw again and give the reason",
    )


def erase_from_register(agency: str, call_ids: Iterable[str], at: datetime, reason: str) -> int:
    """Take logs out of all frozen frames; each leaves a hole that the register names by position.

    Args:
        agency: Whose audits.
        call_ids: To erase.
        at: When.
        reason: Kept in the register.

    Returns:
        How many rows were blanked.

    Raises:
        AuditError: AUDIT-FRAME if a frame cannot be read: what it holds is not known.
    """
    register, gone, count = Register(agency), set(call_ids), 0
    for line in register.draws():
        file = register.folder / line["draw_id"] / "frame.parquet"
        if not file.is_file():  # killed between its line and its frame: it holds no log
            continue
        logs = _read(line["draw_id"], file, "AUDIT-FRAME", "frame")
        ids = logs["call_id"].to_pylist()
        positions = [n for n, call_id in enumerate(ids) if call_id in gone]
        if not positions:
            continue
        register.append("erasure", at, draw_id=line["draw_id"], positions=positions, reason=reason)
        hole = np.isin(np.arange(len(ids)), positions)
        for name in ("call_id", "row_hash"):
            place = logs.column_names.index(name)
            kept = pa.array(logs[name].to_pylist(), pa.string(), mask=hole)
            logs = logs.set_column(place, name, kept)
        _write(logs, file)
        count += len(positions)
    return count


def _write(table: pa.Table, file: Path) -> None:
    """Under a temporary name, then by one rename."""
    temporary = file.with_name(f".{file.name}.new")
    pq.write_table(table, temporary, compression="zstd")
    temporary.replace(file)
