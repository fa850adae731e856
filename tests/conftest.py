"""Fixtures: an empty state folder, a small agency that tests may break, New Orleans' real data."""

import csv
import gzip
import io
import os
import re
import shutil
from collections.abc import Callable, Generator, Iterator
from contextlib import contextmanager
from itertools import zip_longest
from pathlib import Path
from typing import Any

import duckdb
import pytest
import yaml

from cdi import paths
from cdi.agency.code_maps import CODE_MAPS
from cdi.agency.interval import Interval
from cdi.agency.load import load_agency
from cdi.agency.model import Agency
from cdi.build import dbt
from cdi.build.make import build_part
from cdi.build.version import plan_version, read_description
from cdi.files import wait_for_lock
from cdi.steps.build import check_marts, make_build, publish_version, write_report
from cdi.steps.extract import check_landing, extract
from cdi.steps.run import land_directly, run_directly
from tests import warm_dbt

REPO = Path(__file__).resolve().parents[1]
SAMPLE = REPO / "tests" / "agencies" / "sample"  # two made-up weeks, delivered as daily changes
TESTVILLE = REPO / "tests" / "data" / "testville"  # five made-up calls and one crime record
START_DBT = dbt.start_dbt  # what the tests do without; see `warm_dbts`
NOPD_DATA = REPO.parent / "shared" / "data" / "nopd"


# What `make test` leaves to `make test-long`: files of which each takes more than 20 CPU seconds,
# most because they build many versions, or large ones. Two such stay in `make test`, as nearly
# every change can break what they test: dbt's unit tests and the DAGs. The longest stand first, as
# in `LONGEST`.
LONG = (
    "tests/pipeline/test_rebuild.py",
    "tests/pipeline/test_simulation.py",
    "tests/pipeline/test_audit_loop.py",
    "tests/pipeline/test_desk_auditing.py",
    "tests/pipeline/test_erasure.py",
    "tests/pipeline/test_log_actions.py",
    "tests/pipeline/test_releases.py",
    "tests/pipeline/test_worklist_yield.py",
    "tests/pipeline/test_shipped_portals.py",
    "tests/pipeline/test_days.py",
    "tests/pipeline/test_worklist.py",
    "tests/pipeline/test_decision_file.py",
    "tests/pipeline/test_number_contract.py",
    "tests/pipeline/test_worklist_backtest.py",
    "tests/pipeline/test_benchmark.py",
    "tests/pipeline/test_simulated_force.py",
    "tests/pipeline/test_bad_input.py",
    "tests/unit/learning/test_weights.py",
    "tests/pipeline/test_hidden_keys.py",
    "tests/pipeline/test_desk.py",
    "tests/pipeline/test_desk_effect.py",
    "tests/pipeline/test_readings.py",
    "tests/pipeline/test_odd_deliveries.py",
    "tests/pipeline/test_decisions.py",
    "tests/pipeline/test_connect.py",
    "tests/pipeline/test_backup.py",
    "tests/pipeline/test_new_orleans.py",
    "tests/pipeline/test_alerts.py",
    "tests/pipeline/test_comparison.py",
    "tests/pipeline/test_retention.py",
    "tests/pipeline/test_operations.py",
    "tests/pipeline/test_report.py",
    "tests/pipeline/test_planted_personal_data.py",
    "tests/pipeline/test_uc_san_diego.py",
    "tests/pipeline/test_open_folder.py",
    "tests/unit/open_extract/test_blocks.py",
    "tests/pipeline/test_http_sources.py",
    "tests/unit/open_extract/test_folder.py",
    "tests/unit/national/test_exchange.py",
    "tests/unit/landing/test_seals.py",
)

# The folders of tests that need more than Python.
SLOW_FOLDERS = ("tests/slow", "tests/browser")

# The longest of their files: they often wait, for a scheduler or a server. The two that share a
# published year stand apart, or one would wait while the other makes it.
SLOW = (
    "tests/slow/test_make_run.py",
    "tests/slow/test_rehearsal.py",
    "tests/slow/test_attack.py",
    "tests/slow/test_corruptions.py",
    "tests/slow/test_database_source.py",
    "tests/slow/test_readers.py",
    "tests/slow/test_registrar.py",
    "tests/slow/test_airflow.py",
    "tests/slow/test_audit.py",
    "tests/browser/test_airflow_ui.py",
    "tests/slow/test_simulated_sql.py",
    "tests/slow/test_compose.py",
    "tests/slow/test_desk_contract.py",
    "tests/slow/test_desk_load.py",
    "tests/slow/test_coverage.py",
    "tests/slow/test_release_by_people.py",
    "tests/slow/test_desk_oidc.py",
    "tests/slow/test_isolation.py",
)

# The files that take longest, the longest first: begun last, one of them would keep one core busy
# while the other has nothing to do. All other files follow in the order of their names. Where both
# kinds are run, each that waits goes beside one that computes.
LONGEST = (
    *(file for pair in zip_longest(SLOW, LONG) for file in pair if file),
    "tests/dbt/test_unit_tests.py",
    "tests/pipeline/test_dags.py",
)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport() -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Let a skipped test fail in CI, unless its reason says that real data are absent.

    CI installs whatever else a test needs.
    """
    report = yield
    if report.skipped and os.environ.get("CI") and isinstance(report.longrepr, tuple):
        reason = report.longrepr[2]
        if "../shared" not in reason:
            report.outcome = "failed"
            report.longrepr = f"CI skips only tests of absent real data (../shared). {reason}"
    return report


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Put the tests of the longest files first, and mark what `make test` leaves out."""
    ranks = {name: rank for rank, name in enumerate(LONGEST)}
    items.sort(key=lambda item: ranks.get(item.nodeid.split("::")[0], len(LONGEST)))
    for item in items:
        if item.nodeid.split("::")[0] in LONG:
            item.add_marker(pytest.mark.long)
        if item.nodeid.startswith(tuple(f"{folder}/" for folder in SLOW_FOLDERS)):
            item.add_marker(pytest.mark.slow)


def make_once(factory: pytest.TempPathFactory, name: str, fill: Callable[[Path], object]) -> Path:
    """Make a folder that all tests of the session share, whichever worker of xdist they run in.

    The first that asks for it makes it, and the others wait. Nobody may change it afterwards. It is
    gone with the session, so it is never older than the code that is tested. In CI, sessions that
    follow each other on one checkout share it too, in the folder that CDI_TESTS_SHARE names.

    Args:
        factory: pytest's fixture of that name.
        name: The name of the folder.
        fill: What fills the empty folder.
    """
    root = factory.getbasetemp()
    if "CDI_TESTS_SHARE" in os.environ:
        root = Path(os.environ["CDI_TESTS_SHARE"])
    elif "PYTEST_XDIST_WORKER" in os.environ:
        root = root.parent  # the folders of the workers stand side by side in it
    folder = root / "shared" / name
    with wait_for_lock(root / "locks" / name):
        made = folder.with_suffix(".made")
        if not made.exists():
            shutil.rmtree(folder, ignore_errors=True)  # half of it, if making it failed
            folder.mkdir(parents=True)
            fill(folder)
            made.touch()
    return folder


@pytest.fixture(scope="session", autouse=True)
def prepared_project(pytestconfig: pytest.Config) -> Iterator[None]:
    """Let all state folders share what dbt makes of the code, also in the next run of the tests."""
    assert pytestconfig.cache is not None
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("CDI_PREPARED", str(pytestconfig.cache.mkdir("prepared")))
        yield


@pytest.fixture(scope="session", autouse=True)
def warm_dbts() -> Iterator[None]:
    """Start dbt's processes with their modules imported; see tests/warm_dbt.py."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(dbt, "start_dbt", warm_dbt.start_dbt)
        yield


@pytest.fixture
def cold_dbt(monkeypatch: pytest.MonkeyPatch) -> None:
    """Start dbt's processes as they are started outside the tests."""
    monkeypatch.setattr(dbt, "start_dbt", START_DBT)


@pytest.fixture
def state(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty state folder; CDI_DATA of the caller's environment is not seen."""
    home = tmp_path / "state"
    monkeypatch.setenv("CDI_HOME", str(home))
    monkeypatch.delenv("CDI_DATA", raising=False)
    return home


def load_sample() -> Agency:
    """The agency `sample`, which only the tests have."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("CDI_AGENCIES", str(SAMPLE.parent))
        return load_agency("sample")


@pytest.fixture
def sample(state: Path, monkeypatch: pytest.MonkeyPatch) -> Agency:
    """The agency `sample`, alone in its registry."""
    monkeypatch.setenv("CDI_AGENCIES", str(SAMPLE.parent))
    return load_agency("sample")


@pytest.fixture(scope="session")
def nopd_data() -> Path:
    """Folder of the real New Orleans files."""
    if not NOPD_DATA.is_dir():
        pytest.skip("the real data of New Orleans (../shared/data/nopd) is not on this machine")
    return NOPD_DATA


@contextmanager
def nopd_in(home: Path) -> Iterator[Interval]:
    """The agency `nopd` with this state folder; gives the days that its real files cover."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("CDI_HOME", str(home))
        patch.setenv("CDI_DATA", str(NOPD_DATA))
        agency = load_agency("nopd")
        assert agency.coverage is not None
        yield Interval.of_days(agency, agency.coverage.start, agency.coverage.end)


@pytest.fixture(scope="session")
def nopd_landed(nopd_data: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """State folder with the real files of `nopd` landed and checked; never change it."""

    def land(home: Path) -> None:
        with nopd_in(home) as interval:
            land_directly("nopd", interval)

    return make_once(tmp_path_factory, "nopd_landed", land)


@pytest.fixture(scope="session")
def nopd_home(nopd_landed: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """State folder after a run of `nopd` on the real data, without Airflow; never change it."""

    def run(home: Path) -> None:
        shutil.copytree(nopd_landed, home, dirs_exist_ok=True)
        with nopd_in(home) as interval:
            assert run_directly("nopd", interval)

    return make_once(tmp_path_factory, "nopd", run)


@pytest.fixture
def nopd(nopd_home: Path) -> Iterator[duckdb.DuckDBPyConnection]:
    """The published file of the real New Orleans run, read-only."""
    file = nopd_home / "published" / "nopd" / "current" / "recording.duckdb"
    with duckdb.connect(str(file), read_only=True) as con:
        yield con


def read_table(name: str) -> list[list[str]]:
    """The header and the rows of a source file of `testville`."""
    with (TESTVILLE / f"{name}.csv").open(newline="", encoding="utf-8") as file:
        return list(csv.reader(file))


CALL_HEADER, *CALLS = read_table("calls")
RECORD_HEADER, *RECORDS = read_table("records")


# What `tell_more` puts in: the account of T-0002, which no page may show as more than text, ...
ACCOUNT = "=1+1 <script>alert(1)</script> he was punched in the face by his ex partner"
# ... a call that was opened and closed as noise, of which only the words report a crime, ...
HIDDEN = [
    *("T-0006", "2026-01-05 15:00", "2026-01-05 15:30", "NOISE", "NOISE", "NONE", "S", "", ""),
    "party next door, a guest punched him in the face",
]
# ... and a report of rape, which names a log that the agency does not have.
ELSEWHERE = "T-0777"
RAPE = [
    *("T-0007", "2026-01-05 16:00", "2026-01-05 16:30", "RAPE", "RAPE", "NONE", "S", "", ""),
    f"see {ELSEWHERE}",
]


def csv_bytes(header: list[str], rows: list[list[str]], delimiter: str = ",") -> bytes:
    """A CSV file's bytes."""
    text = io.StringIO()
    writer = csv.writer(text, delimiter=delimiter, lineterminator="\n")
    writer.writerows([header, *rows])
    return text.getvalue().encode()


class SmallAgency:
    """An agency `testville` in a temporary folder, whose files and settings a test may change."""

    def __init__(self, folder: Path) -> None:
        """Write the folder with five calls and one crime record."""
        self.folder = folder
        self.data = folder / "data"
        self.data.mkdir(parents=True)
        minutes = "%Y-%m-%d %H:%M"
        self.settings: dict[str, Any] = {
            "agency": "testville",
            "name": "Testville (made up)",
            "country": "GB",
            "timezone": "Europe/London",
            "owner": {"name": "Tests", "email": "tests@example.org"},
            "licence": "made up",
            "is_simulated": True,
            "calls": "all",
            "start_date": "2026-01-05",
            "coverage": {"start": "2026-01-05", "end": "2026-01-07"},
            "key_rules": {
                "call": [{"pattern": r"T-?(\d{4})", "canonical": r"T-\1"}],
                "record": [{"pattern": r"(R\d+)", "canonical": r"\1"}],
            },
            "sources": {
                "calls": {
                    "files": [{"path": "calls*", "as_of": "2026-01-07"}],
                    "delivery": "snapshot",
                    "columns": {
                        "call_reference": "number",
                        "received_at": {"from": "received", "format": minutes},
                        "closed_at": {"from": "closed", "format": minutes},
                        "initial_type_code": "opened_as",
                        "final_type_code": "closed_as",
                        "disposition_code": "closure",
                        "district": "district",
                        "caller_name": "caller",
                        "caller_phone": "phone",
                        "log_text": "text",
                    },
                },
                "crime_records": {
                    "files": [{"path": "records*", "as_of": "2026-01-07"}],
                    "delivery": "changes",
                    "columns": {
                        "record_reference": "record",
                        "call_reference": "call",
                        "recorded_at": {"from": "recorded", "format": minutes},
                        "offence_code": "offence",
                        "status_code": "status",
                        "district": "district",
                    },
                },
            },
        }
        self.write_settings()
        self.write_text(
            "call_types.csv",
            f"{','.join(CODE_MAPS['call_types'])}\n"
            "ASSAULT,Assault,violence_against_the_person,false,false,,,\n"
            "NOISE,Noise,,false,false,asb_nuisance,,\nTHEFT,Theft,theft,false,false,,,\n",
        )
        self.write_text(
            "offences.csv",
            f"{','.join(CODE_MAPS['offences'])}\n"
            "A1,Assault,violence_against_the_person,false,false,,\nNC,No crime,,false,false,,\n",
        )
        self.write_text(
            "closures.csv",
            "code,name,reason_code,expects_record,note\nCRIME,Crime,,true,\nNONE,None,,false,\n"
            "DUP,Duplicate,DUPLICATE_LOG,false,\n",
        )
        self.write("calls.csv", csv_bytes(CALL_HEADER, CALLS))
        self.write("records.csv", csv_bytes(RECORD_HEADER, RECORDS))

    def write_settings(self) -> None:
        """Write agency.yaml from `settings`."""
        self.write_text("agency.yaml", yaml.safe_dump(self.settings, sort_keys=False))

    def write_text(self, name: str, text: str) -> None:
        """Write a file of the agency's folder."""
        (self.folder / name).write_text(text, encoding="utf-8")

    def write(self, name: str, content: bytes) -> None:
        """Replace the source files of the name's dataset by one."""
        for file in self.data.glob(f"{name.split('.')[0]}*"):
            file.unlink()
        packed = gzip.compress(content, mtime=0) if name.endswith(".gz") else content
        (self.data / name).write_bytes(packed)

    @property
    def agency(self) -> Agency:
        """The agency as the registry loads it."""
        return load_agency("testville")

    @property
    def interval(self) -> Interval:
        """Its coverage."""
        coverage = self.agency.coverage
        assert coverage is not None
        return Interval.of_days(self.agency, coverage.start, coverage.end)

    def run(self) -> bool:
        """Run all steps without Airflow; returns whether a version was published."""
        return run_directly("testville", self.interval)

    def extract_and_check(self, dataset: str = "calls") -> None:
        """Extract a dataset and check it at border 1, without a build."""
        extracted = extract("testville", dataset, self.interval)
        assert extracted.result is not None
        check_landing("testville", dataset, extracted.result)

    def staged(self, query: str) -> list[tuple[Any, ...]]:
        """Query staging, whose views are not published."""
        return staged(self.agency, query)

    def rows(self, query: str) -> list[tuple[Any, ...]]:
        """Query the published file."""
        with duckdb.connect(str(self.published / "recording.duckdb"), read_only=True) as con:
            return con.execute(query).fetchall()

    def built_rows(self, query: str) -> list[tuple[Any, ...]]:
        """Query the file that was built and not published."""
        with duckdb.connect(str(self.built_file), read_only=True) as con:
            return con.execute(query).fetchall()

    @property
    def built_file(self) -> Path:
        """The file that was built and not published."""
        return paths.published("testville") / ".next" / "recording.duckdb"

    @property
    def built(self) -> str:
        """The name of the version that was built and not published."""
        described = read_description(paths.published("testville") / ".next")
        return str(described["version"])

    @property
    def published(self) -> Path:
        """The current version's folder."""
        return paths.published("testville") / "current"


def tell_more(small: SmallAgency) -> None:
    """Let calls of the agency say more: an account, a crime in words alone, a report of rape."""
    types = (small.folder / "call_types.csv").read_text(encoding="utf-8")
    small.write_text("call_types.csv", f"{types}RAPE,Rape,sexual_offences,true,false,,,\n")
    calls = [[*row[:-1], row[-1].replace("was pushed", ACCOUNT)] for row in CALLS]
    small.write("calls.csv", csv_bytes(CALL_HEADER, [*calls, HIDDEN, RAPE]))


@contextmanager
def alone(folder: Path) -> Iterator[SmallAgency]:
    """The agency `testville`, alone in its registry, for a fixture that many tests share.

    Args:
        folder: An empty folder, for the state and the registry.
    """
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("CDI_HOME", str(folder / "state"))
        patch.setenv("CDI_AGENCIES", str(folder / "agencies"))
        patch.delenv("CDI_DATA", raising=False)
        yield SmallAgency(folder / "agencies" / "testville")


@pytest.fixture
def small(tmp_path: Path, state: Path, monkeypatch: pytest.MonkeyPatch) -> SmallAgency:
    """The agency `testville`, alone in its registry."""
    monkeypatch.setenv("CDI_AGENCIES", str(tmp_path / "agencies"))
    return SmallAgency(tmp_path / "agencies" / "testville")


def build_testville(folder: Path) -> None:
    """Land and build `testville`, and stop before the build is checked."""
    with alone(folder) as once:
        land_directly("testville", once.interval)
        make_build("testville")


@pytest.fixture(scope="session")
def built_once(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """State folder of `testville` with a build that was not checked; never change it."""
    return make_once(tmp_path_factory, "built", build_testville) / "state"


@pytest.fixture(scope="session")
def ran_once(tmp_path_factory: pytest.TempPathFactory, built_once: Path) -> Path:
    """State folder of `testville` after a run; never change it."""

    def publish(folder: Path) -> None:
        shutil.copytree(built_once, folder / "state", symlinks=True)
        with alone(folder) as once:
            version = once.built
            for step in (check_marts, write_report, publish_version):
                step("testville", version)
            assert not once.run()

    return make_once(tmp_path_factory, "ran", publish) / "state"


@pytest.fixture
def built(built_once: Path, small: SmallAgency, state: Path) -> SmallAgency:
    """The agency `testville` with a build that was not checked; its state is copied."""
    shutil.copytree(built_once, state, symlinks=True)
    return small


@pytest.fixture
def ran(ran_once: Path, small: SmallAgency, state: Path) -> SmallAgency:
    """The agency `testville` after a run; its state is copied, as a run takes half a minute."""
    shutil.copytree(ran_once, state, symlinks=True)
    return small


@pytest.fixture(scope="session")
def told_once(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """State folder of `testville` after a run on what `tell_more` makes; never change it."""

    def tell(folder: Path) -> None:
        with alone(folder) as once:
            tell_more(once)
            assert once.run()

    return make_once(tmp_path_factory, "told", tell) / "state"


@pytest.fixture
def told(told_once: Path, small: SmallAgency, state: Path) -> SmallAgency:
    """The agency `testville` after a run on what `tell_more` makes; its state is copied."""
    tell_more(small)
    shutil.copytree(told_once, state, symlinks=True)
    return small


def staged(agency: Agency, query: str) -> list[tuple[Any, ...]]:
    """Query models of staging; they are made for the query and removed after it."""
    models = sorted(set(re.findall(r"staging\.(\w+)", query)))
    with (
        build_part(plan_version(agency), *models) as file,
        duckdb.connect(str(file), read_only=True) as con,
    ):
        return con.execute(query).fetchall()


def table_contents(file: Path) -> dict[str, list[tuple[Any, ...]]]:
    """All tables of a file except `run_results`, with their rows in a total order."""
    with duckdb.connect(str(file), read_only=True) as con:
        names = con.execute(
            "select schema_name || '.' || table_name from duckdb_tables() "
            "where table_name <> 'run_results' order by 1"
        ).fetchall()
        return {name: con.execute(f"from {name} order by all").fetchall() for (name,) in names}
