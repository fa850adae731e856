"""Check an inspector's pack: run it as ``python3 check.py`` in the folder that was unzipped.

It uses nothing of the project that made the pack. Steps 1 to 3 need Python alone; steps 4 and 5
need DuckDB too (``pip install duckdb``). CHECK.md says what each step shows, and how to do step 4
in R.
"""

import csv
import hashlib
import json
import os
import re
import struct
import sys
from pathlib import Path
from typing import Any

SUMS = "SHA256SUMS"
# Columns of the draw's tables that are whole numbers; the others are texts.
NUMBERS = {"position", "stratum", "first_due", "first_recorded"}
PREDICTED = ("recorded", "due", "missed", "variance")


class WrongError(Exception):
    """Something is not as it should be."""


class LeftOutError(Exception):
    """A step cannot be done on this machine."""


def expect(*, holds: bool, otherwise: str) -> None:
    """Stop the step if something does not hold."""
    if not holds:
        raise WrongError(otherwise)


def read_table(name: str) -> list[dict[str, Any]]:
    """Read a table of the draw."""
    with Path(name).open(newline="", encoding="utf-8") as handle:
        rows: list[dict[str, Any]] = list(csv.DictReader(handle))
    for row in rows:
        row |= {key: int(row[key]) for key in NUMBERS & row.keys()}
    return rows


def read_register() -> list[dict[str, Any]]:
    """Read the lines of the register, the oldest first."""
    text = Path("register.jsonl").read_text(encoding="utf-8")
    return [json.loads(line) for line in text.splitlines()]


def list_lines() -> list[dict[str, Any]]:
    """List the lines of this audit's draw, the oldest first."""
    draw_id = json.loads(Path("pack.json").read_text(encoding="utf-8"))["draw_id"]
    return [line for line in read_register() if line.get("draw_id") == draw_id]


def find_lines(kind: str) -> list[dict[str, Any]]:
    """Find the lines of this audit's draw that are of a kind."""
    return [line for line in list_lines() if line["kind"] == kind]


def hash_parts(*parts: str | bytes) -> str:
    """Hash texts in a row; the byte 1f ends each of them."""
    digest = hashlib.sha256()
    for part in parts:
        digest.update((part.encode() if isinstance(part, str) else part) + b"\x1f")
    return digest.hexdigest()


def hash_columns(rows: list[dict[str, Any]], names: set[str]) -> str:
    """Hash columns of a table of the draw, as the register does."""
    columns = {name: [row[name] for row in rows] for name in names}
    return hash_parts(json.dumps(columns, sort_keys=True))


# ---------------------------------------------------------------------- 1: the files


def check_files() -> str:
    """Compare each file with its hash, and those of the published version with its own list."""
    sums = read_sums(Path())
    names = {file.as_posix() for file in Path().rglob("*") if file.is_file()} - {SUMS}
    expect(holds=names == sums.keys(), otherwise=f"listed or there: {sorted(names ^ sums.keys())}")
    changed = [name for name in sorted(names) if sums[name] != hash_file(Path(name))]
    expect(holds=not changed, otherwise=f"changed since the pack was made: {changed}")
    published = read_sums(Path("version"))
    shown = sorted(published.keys() & {file.name for file in Path("version").iterdir()})
    changed = [name for name in shown if published[name] != sums[f"version/{name}"]]
    expect(holds=not changed, otherwise=f"not as they were published: {changed}")
    return (
        f"All {len(names)} files are as {SUMS} lists them.\n"
        f"{', '.join(shown)} are as the published version lists them."
    )


def read_sums(folder: Path) -> dict[str, str]:
    """Read a list of hashes: the hash of each file by its name."""
    lines = (folder / SUMS).read_text(encoding="utf-8").splitlines()
    return {name: digest for digest, _, name in (line.partition("  ") for line in lines)}


def hash_file(file: Path) -> str:
    """Hash a file."""
    return hashlib.sha256(file.read_bytes()).hexdigest()


# ---------------------------------------------------------------------- 2: the draw


def check_draw() -> str:
    """See that the frozen frame is that of the register, and draw the sample again."""
    from redraw import draw_again

    (plan,), (drawn,) = find_lines("draw"), find_lines("sample")
    frame, sample = read_table("draw/frame.csv"), read_table("draw/sample.csv")
    check_frame(plan, frame)
    names = {"position", "auditor"} | ({"second_auditor"} & sample[0].keys())
    expect(
        holds=hash_columns(sample, names) == drawn["sample_hash"],
        otherwise="the sample is not the one in the register",
    )
    positions = draw_again(plan["seed"], [row["stratum"] for row in frame], plan["audited"])
    expect(
        holds=positions == [row["position"] for row in sample],
        otherwise="the seed draws other logs",
    )
    erased = check_logs(frame, sample)
    logs = [row["call_id"] for row in sample if row["call_id"]]
    said = [
        f"The sampling frame of {len(frame):,} logs is the one in the register:"
        f" {plan['frame_hash']}.",
        f"The seed {plan['seed']} draws {len(positions):,} logs from {len(plan['audited'])} strata:"
        f" the same as in draw/sample.csv, from {min(logs)} to {max(logs)}.",
    ]
    if erased:
        said.append(f"{erased} of them were erased by request, as the register says.")
    return "\n".join(said)


def check_frame(plan: dict[str, Any], frame: list[dict[str, Any]]) -> None:
    """Compare the frame with the hashes that the register has of it."""
    numbers = [[float(row[name]) for row in frame] for name in PREDICTED]
    strata = [row["stratum"] for row in frame]
    count = len(frame)
    found = {
        "frame_hash": hash_parts(*(row["leaf"] for row in frame)),
        "predictions_hash": hash_parts(
            *(struct.pack(f"<{count}d", *column) for column in numbers),
            Path("draw/crimes.json").read_text(encoding="utf-8"),
        ),
        "districts_hash": hash_parts(json.dumps([row["district"] for row in frame])),
        "strata_hash": hash_parts(struct.pack(f"<{count}q", *strata)),
        "population": [strata.count(stratum) for stratum in range(len(plan["audited"]))],
    }
    for name, value in found.items():
        expect(
            holds=plan.get(name, value) == value,
            otherwise=f"the {name} of the sampling frame is not the one in the register",
        )


def check_logs(frame: list[dict[str, Any]], sample: list[dict[str, Any]]) -> int:
    """See that each drawn log is the one that was frozen; returns how many were erased."""
    erased = {place for line in find_lines("erasure") for place in line["positions"]}
    unnamed = {row["position"] for row in sample if not row["call_id"]}
    expect(holds=unnamed <= erased, otherwise="drawn logs without a number, which nobody erased")
    for row in sample:
        leaf = hash_parts(row["call_id"], row["row_hash"])
        expect(
            holds=row["position"] in erased or leaf == frame[row["position"]]["leaf"],
            otherwise=f"log {row['call_id']} is not the one that was frozen",
        )
    return len(unnamed)


# ---------------------------------------------------------------------- 3: the chain


def check_chain() -> str:
    """See that no line of the register was touched, and that the readings are those it notes."""
    register = read_register()
    before = "0" * 64
    for number, line in enumerate(register, 1):
        kept = {name: value for name, value in line.items() if name != "hash"}
        is_same = hash_parts(json.dumps(kept, sort_keys=True)) == line["hash"]
        expect(
            holds=is_same and line["previous"] == before,
            otherwise=f"line {number} of the register is not as it was written",
        )
        before = line["hash"]
    noted = find_lines("delivery") + find_lines("reading")
    files = sorted(Path("findings").iterdir())
    check_readings(files)
    for second in find_lines("second"):
        names = {"stratum", "second_auditor", "first_due", "first_recorded"}
        expect(
            holds=hash_columns(read_table("draw/second.csv"), names) == second["second_hash"],
            otherwise="the second readings that were drawn are not those in the register",
        )
    (plan,) = find_lines("draw")
    place = register.index(plan) + 1
    return (
        f"Each of the {len(register)} lines of the register has the hash of the line before.\n"
        f"The draw is line {place}, its hash {plan['hash']}.\n"
        f"{len(files)} files of readings are as the register noted them; "
        f"{len(noted)} times readings were brought back."
    )


def check_readings(files: list[Path]) -> None:
    """Compare files of readings with what the register says of each of them last."""
    newest = find_newest_hashes()
    changed = [file.name for file in files if hash_file(file) not in newest.get(file.name, ())]
    expect(
        holds=not changed,
        otherwise=f"not the readings that the register noted last: {changed}",
    )


def find_newest_hashes() -> dict[str, set[str | None]]:
    """Find what each file of readings was last, by its name; None if an erasure removed it.

    An older content of a file was in the register too, but the rate was not worked out from it.
    Lines of earlier versions name no file. Since an auditor has a second file once second readings
    are drawn, such a line may be about either of the two.
    """
    newest: dict[str, set[str | None]] = {}
    has_second = False
    for line in list_lines():
        if line["kind"] == "second":
            has_second = True
        elif line["kind"] == "erasure":
            newest |= {name: {digest} for name, digest in line.get("readings", {}).items()}
        elif "file" in line:
            newest[line["file"]] = {line["sha256"]}
        elif "sha256" in line:
            first = f"{line['draw_id']}_{line['auditor']}"
            if has_second:
                for name in (f"{first}.csv", f"{first}_second.csv"):
                    newest.setdefault(name, set()).add(line["sha256"])
            else:
                newest[f"{first}.csv"] = {line["sha256"]}
    return newest


# ---------------------------------------------------------------------- 4: the rate


def open_tables() -> Any:
    """Open the tables of the pack in DuckDB."""
    try:
        import duckdb
    except ImportError:
        raise LeftOutError("needs DuckDB: pip install duckdb") from None
    con = duckdb.connect()
    con.execute(Path("tables/load.sql").read_text(encoding="utf-8"))
    return con


def check_rate() -> str:
    """Count the readings again, and work out a plain rate beside the one of R."""
    con = open_tables()
    differing = con.execute(Path("recount.sql").read_text(encoding="utf-8")).fetchall()
    expect(
        holds=not differing,
        otherwise=f"the readings give other counts than the rate was worked out from: {differing}",
    )
    ((logs,),) = con.execute("select count(*) from audited_logs").fetchall()
    ((plain,),) = con.execute(Path("plain_rate.sql").read_text(encoding="utf-8")).fetchall()
    (force,) = con.execute(
        "select recording_rate, standard_error, lower_limit, upper_limit from audited_rates "
        "where draw_id = ? and domain = 'force'",
        [find_lines("draw")[0]["draw_id"]],
    ).fetchall()
    return (
        f"The readings give the same counts for all {logs:,} audited logs.\n"
        f"Published are the rate, its standard error and its limits:\n"
        + "".join(f"{number:.12f}\n" for number in force)
        + f"Without predictions the sample says {plain:.3f}, which is less exact."
    )


# ---------------------------------------------------------------------- 5: the report


def check_report() -> str:
    """Run the queries of figures.json that need these tables alone, and look at the report."""
    con = open_tables()
    figures = json.loads(Path("version/figures.json").read_text(encoding="utf-8"))["figures"]
    page = Path("version/report.html").read_text(encoding="utf-8")
    shown = dict(re.findall(r'<data data-figure="(\w+)" value="[^"]*">([^<]*)</data>', page))
    for figure in figures:
        text = figure.get("text")
        expect(
            holds=text is None or shown.get(figure["id"]) == text,
            otherwise=f"{figure['id']} is {text}, and the report shows {shown.get(figure['id'])}",
        )
    with_tables = [figure for figure in figures if run_query(con, figure)]
    leads = [f["text"] for f in figures if f["id"] == "rate_audited"]
    return (
        f"{len(with_tables)} of {len(figures)} figures need these tables alone: "
        "the query of each gives its value.\n"
        f"The report shows {len(shown)} numbers, each as figures.json has it.\n"
        f"The audited rate that it leads with is {' '.join(leads) or 'none'}."
    )


def run_query(con: Any, figure: dict[str, Any]) -> bool:
    """Run the query of a figure; returns False if it needs tables that are not in the pack."""
    import duckdb

    try:
        found = con.execute(figure.get("sql", "from no_query")).fetchall()
    except duckdb.CatalogException:
        return False
    found = json.loads(json.dumps(found, default=str))
    wanted = figure["rows"] if "rows" in figure else [[figure["value"]]]
    expect(holds=found == wanted, otherwise=f"{figure['id']}: {found} instead of {wanted}")
    return True


STEPS = (check_files, check_draw, check_chain, check_rate, check_report)


def main() -> int:
    """Do all steps, and say what each has found; returns 0 if nothing is wrong."""
    os.chdir(Path(__file__).resolve().parent)
    sys.dont_write_bytecode = True  # a compiled file would be in no list
    wrong = left_out = 0
    for number, step in enumerate(STEPS, 1):
        try:
            said = step()
        except LeftOutError as error:
            left_out, said = left_out + 1, f"LEFT OUT: {error}"
        except Exception as error:  # a damaged file breaks a step in any way
            wrong, said = wrong + 1, f"WRONG: {type(error).__name__}: {error}"
        sys.stdout.write(f"Step {number}\n" + "".join(f"  {x}\n" for x in said.splitlines()))
    ending = f"{len(STEPS) - wrong - left_out} of {len(STEPS)} steps hold"
    sys.stdout.write(f"{ending}; {wrong} wrong, {left_out} left out.\n")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
