"""What all pages say: that they must not leave the agency."""

from cdi import render
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
    page = render_page("pages.html.j2", agencies=[], is_simulated=False)
    assert page.count(SENTENCE) == 1
    assert "open/" in page
    assert ".house" not in page[page.index("@media print") :].split("</style>")[0]  # printed too


def test_only_pages_without_figures_of_the_agency_leave_the_sentence_out() -> None:
    environment = render._make_environment()
    without = set()
    for name in environment.list_templates(filter_func=lambda name: name.endswith(".html.j2")):
        source = environment.loader.get_source(environment, name)[0]  # type: ignore[union-attr]
        if "{% extends" in source and "house" in environment.get_template(name).blocks:
            without.add(name)
    assert without == MAY_LEAVE
