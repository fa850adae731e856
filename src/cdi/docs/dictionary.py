"""The page docs/dictionary.md: every table and column."""

import tempfile
from datetime import UTC, datetime

from cdi import paths
from cdi.agency.load import load_agency
from cdi.build.make import build_file
from cdi.build.version import Version
from cdi.quality.results import create_results_table
from cdi.report.dictionary import render_dictionary
from cdi.sql import connect

PAGE = paths.REPO / "docs" / "dictionary.md"


def render_dictionary_page() -> str:
    """Render the page from a build without data, which has all tables and their comments."""
    with (
        tempfile.TemporaryDirectory() as folder,
        paths.environment(CDI_HOME=folder),
    ):
        agency = load_agency(paths.SIMULATED)
        empty_version = Version(
            agency, datetime.now(UTC), {name: [] for name in agency.sources}, "0" * 64
        )
        build_file(empty_version)
        with connect(empty_version.file) as con:
            create_results_table(con)
            return render_dictionary(con)
