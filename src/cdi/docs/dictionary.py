"""The page docs/dictionary.md: every table and column."""

import tempfile
from datetime import UTC, datetime

from cdi import paths
from cdi.agency.load import load_agency
from cdi.build.make import build_file
from cdi.build.version import Version
from cdi.report.dictionary import render_dictionary
from cdi.sql import connect

PAGE = paths.REPO / "docs" / "dictionary.md"


def render_dictionary_page() -> str:
    """The page docs/dictionary.md, from a build without data."""
    with (
        tempfile.TemporaryDirectory() as folder,
        paths.environment(CDI_HOME=folder),
    ):
        from cdi.quality.results import create_results_table

        agency = load_agency(paths.SIMULATED)
        nothing = Version(
            agency, datetime.now(UTC), {name: [] for name in agency.sources}, "0" * 64
        )
        build_file(nothing)
        with connect(nothing.file) as con:
            create_results_table(con)
            return render_dictionary(con)
