"""What all pages say: that they must not leave the agency."""

import re

from cdi import render
from cdi.publish.overview import Freshness, Published
from cdi.render import render as render_page

SENTENCE = "this page must not leave it"
# They show what may leave: no data at all, open extracts alone, or invented data.
MAY_LEAVE = {
    *("dictionary.html.j2", "peers.html.j2", "open_index.html.j2"),
    *("desk_agencies.html.j2", "desk_message.html.j2"),
    *("desk_signed_out.html.j2", "desk_trial.html.j2"),
    *("sample_site.html.j2", "sample_desk.html.j2"),
}


def test_pages_say_that_they_must_not_leave_the_agency() -> None:
    page = render_page(
        "agency_pages.html.j2",
        agency=Published("testville", "Testville", is_simulated=True),
        may_read_logs=False,
        may_manage=False,
        is_simulated=True,
    )
    assert page.count(SENTENCE) == 1
    assert "open/" in page
    assert ".house" not in page[page.index("@media print") :].split("</style>")[0]  # printed too


def test_a_page_of_several_agencies_speaks_of_them_and_an_empty_one_of_none() -> None:
    values = {"may_read_logs": [], "may_manage": [], "has_peers": False, "is_simulated": False}
    for name, kind in (("pages.html.j2", Published), ("operations.html.j2", Freshness)):
        agency = kind("testville", "Testville", is_simulated=True)
        page = render_page(name, agencies=[agency], now="now", **values)
        assert SENTENCE not in page
        assert page.count("do not pass this page on") == 1
        page = render_page(name, agencies=[], now="now", **values)
        assert "pass this page on" not in page


def test_only_pages_without_figures_of_the_agency_leave_the_sentence_out() -> None:
    environment = render._make_environment()
    without = set()
    for name in environment.list_templates(filter_func=lambda name: name.endswith(".html.j2")):
        source = environment.loader.get_source(environment, name)[0]  # type: ignore[union-attr]
        if "{% extends" in source and "house" in environment.get_template(name).blocks:
            without.add(name)
    assert without == MAY_LEAVE


def test_each_cell_of_the_operations_table_names_its_column_where_rows_are_cards() -> None:
    """On a phone the table has no header; before, it scrolled sideways."""
    agency = Freshness("testville", "Testville", is_simulated=True)
    page = render_page("operations.html.j2", agencies=[agency], now="now", is_simulated=True)
    _, *headers = re.findall(r'<th scope="col"[^>]*>(.*?)</th>', page)
    assert len(headers) == 6
    assert re.findall(r'<td[^>]* data-column="(.*?)">', page) == headers
    assert page.count("<td") == 6
