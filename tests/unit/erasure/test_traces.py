"""What is wanted is found in each written form, and nothing else is taken for it."""

import pytest

from cdi.erasure.traces import Wanted
from cdi.landing.tombstones import is_common


def wanted(*names: str, others: tuple[str, ...] = ()) -> Wanted:
    return Wanted(frozenset(names), others=frozenset(others), agency="testville")


@pytest.mark.parametrize(
    "line",
    [
        "see NM/2026/0001.",
        "see nm/2026/0001, and",
        "GET /x?c=NM%2F2026%2f0001&y",
        "/logs%2FNM_2026_0001.html",  # the escape before it ends with a letter
        r'{"a": "NM\/2026\/0001"}',
        r'{"event": "first\nNM/2026/0001"}',
        r'{"event": "{\"a\": \"NM\\/2026\\/0001\"}"}',
        "worklist/logs/NM_2026_0001_.html",
    ],
)
def test_each_written_form_is_found(line: str) -> None:
    assert wanted("NM/2026/0001").is_in(line.encode())


@pytest.mark.parametrize(
    ("name", "form"),
    [
        ("A&B-1234", "A&amp;B-1234"),
        ("O'Neil\"77", "O&#39;Neil&#34;77"),
        ("O'Neil\"77", "O&#x27;Neil&quot;77"),
        ("O'Neil\"77", 'O\'Neil""77'),
        ("O'Neil\"77", "O'Neil\\\"77"),
        ("Über-12", "ÜBER-12"),
        ("Über-12", "%C3%9Cber-12"),
        ("Über-12", r"\u00fcBER-12"),
        ("NM 2026 7", "NM+2026+7"),
        ("100%/2026/5", "100%25%2F2026%2F5"),
    ],
)
def test_signs_are_found_as_each_format_writes_them(name: str, form: str) -> None:
    assert wanted(name).is_in(f"<{form}>".encode())


@pytest.mark.parametrize(
    "line",
    [
        "NM/2026/00012 xNM/2026/0001",
        "NM/2026/0001/2, NM_2026_0001_2.html, NM%2F2026%2F0001%2F2",  # another reference
    ],
)
def test_a_longer_reference_is_passed_over(line: str) -> None:
    assert not wanted("NM/2026/0001", others=("NM/2026/0001/2",)).is_in(line.encode())


@pytest.mark.parametrize(
    "line",
    [
        "2026-11-27T20:01:51.412070Z",
        "0.412070",
        '{"lineno": 412070, "run_id": "a 412070"}',
        "41207000-4b08-7f29-bddb-412070412070",
    ],
)
def test_times_ids_and_fractions_are_no_references(line: str) -> None:
    assert not wanted("412070", "41207000").is_in(line.encode())


def test_a_number_is_found_beside_them() -> None:
    line = b'{"timestamp": "2026-11-27T20:01:51.412070Z", "event": "call 412070"}'
    assert [match.span(1) for match in wanted("412070").matches(line)] == [(60, 66)]


@pytest.mark.parametrize(
    ("line", "is_found"),
    [
        ('"GET /cdi/elsewhere/worklist/logs/T-123456.html', False),
        ('{"dag_id":"elsewhere__build","event":"T-123456"}', False),
        ('{"dag_id":"testville__build","event":"T-123456"}', True),
        ("T-123456", True),
    ],
)
def test_lines_of_another_agency_are_passed_over_in_shared_files(line: str, is_found: bool) -> None:
    content = f"elsewhere__build\n{line}\nelsewhere__build".encode()
    assert wanted("T-123456").is_in(content, is_shared=True) is is_found
    assert wanted("T-123456").is_in(content)


def test_of_a_common_reference_only_the_page_is_looked_for() -> None:
    line = b'{"what": "worklist/logs/2026.html"} in 2026, see 2026.html'
    assert [match.span(1) for match in wanted("2026").matches(line)] == [(24, 28)]


@pytest.mark.parametrize(
    "form",
    [
        "2026",
        "R-12",
        "12345",
        "2026/1",
        "THEFT",
        "20260105",
        "5/1/2026",
        "202601",
        "2026-01-05 10:00",
    ],
)
def test_what_is_common(form: str) -> None:
    assert is_common(form)


@pytest.mark.parametrize(
    "form",
    [
        *("T-0030", "t0030", "412070", "26000123", "A-12345-22", "2026/0001", "NM/2026/1"),
        "\uff14\uff15\uff16\uff10\uff17\uff18\uff11",  # 4560781 in full width
        "\uff14\uff15\uff16\uff10\uff17\uff181",
    ],
)
def test_what_is_not_common(form: str) -> None:
    assert not is_common(form)
