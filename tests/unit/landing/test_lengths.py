"""References and names of absurd length: quarantined or masked, and no harm to the other rows."""

import duckdb
import pytest

from cdi.keys import decrypt_text
from cdi.landing.extract import extract_dataset
from tests.conftest import CALL_HEADER, CALLS, SmallAgency, csv_bytes


def land(small: SmallAgency, row: list[str]) -> tuple[dict[str, str], list[tuple[str, ...]]]:
    """Extract the five calls and one more; gives masked texts by reference, and the quarantine."""
    small.write("calls.csv", csv_bytes(CALL_HEADER, [*CALLS, row]))
    batch = extract_dataset(small.agency, "calls", small.interval).batch
    assert batch
    with duckdb.connect() as con:
        texts = con.execute(
            "select call_reference, log_text_masked from read_parquet(?)", [str(batch.rows)]
        ).fetchall()
        refused = con.execute(
            "select rule_id, detail, original_masked, original_encrypted from read_parquet(?)",
            [str(batch.quarantine)],
        ).fetchall()
    assert batch.manifest["read"] == 6
    return dict(texts), refused


@pytest.mark.parametrize("length", [101, 100_000])
def test_a_reference_of_more_than_100_letters_is_kept_in_quarantine_and_not_shown(
    small: SmallAgency, length: int
) -> None:
    shifted = ("Ada Example called about " * length)[:length].replace(" ", "_")
    texts, ((rule_id, detail, shown, token),) = land(small, [shifted, *CALLS[0][1:]])
    assert set(texts) == {row[0] for row in CALLS}
    assert (rule_id, detail) == ("TYPE-LENGTH", "call_reference")
    assert "Ada" not in shown
    assert len(shown) < 1000
    assert shifted in decrypt_text("testville", token)


def test_a_reference_of_100_letters_is_accepted(small: SmallAgency) -> None:
    texts, refused = land(small, ["T" * 100, *CALLS[0][1:]])
    assert "T" * 100 in texts
    assert refused == []


def test_a_name_of_a_million_letters_is_masked_like_any_other(small: SmallAgency) -> None:
    row = dict(zip(CALL_HEADER, CALLS[0], strict=True))
    row |= {"number": "T-0100", "caller": "zebedee (" + "ab(c " * 200_000, "text": "zebedee rang"}
    texts, refused = land(small, list(row.values()))
    assert texts["T-0100"] == "[name] rang"
    assert len(texts) == 6
    assert refused == []


def test_a_text_in_each_column_about_a_person_is_read_like_any_other(small: SmallAgency) -> None:
    """Each of these took time by the square of its length, or more: hours, and all memory."""
    long = "ab(c " * 40_000
    word = "q" * 200_000
    small.settings["sources"]["calls"]["columns"] |= {"location": "place", "victim_name": "victim"}
    small.write_settings()
    header = [*CALL_HEADER, "place", "victim"]
    row = dict(zip(header, [*CALLS[0], word, word], strict=True))
    row |= {"number": "T-0100", "caller": long, "text": f"{long}{word} jo at gmail.com drunk"}
    calls = [[*call, "", ""] for call in CALLS]
    small.write("calls.csv", csv_bytes(header, [*calls, list(row.values())]))
    batch = extract_dataset(small.agency, "calls", small.interval).batch
    assert batch
    ((text, streets, names),) = duckdb.execute(
        "select log_text_masked, len(location_street_variants), len(victim_name_variants) "
        f"from '{batch.rows}' where call_reference = 'T-0100'"
    ).fetchall()
    # A name's word of one letter stays, as everywhere.
    assert text == "[name](c " * 40_000 + "[address] [email] drunk"
    assert (streets, names) == (1, 1)


@pytest.mark.parametrize(
    "names", ["", " ".join(f"Zz{a}{b}" for a in "abcdefghijk" for b in "lmnopqrstu")]
)
def test_many_names_are_masked_as_few_are(small: SmallAgency, names: str) -> None:
    """The part of a name, other accents and another case count as well."""
    row = dict(zip(CALL_HEADER, CALLS[0], strict=True))
    row |= {
        "number": "T-0100",
        "caller": f"Zoë O'Quill {names}",
        "text": "zoe, QUILL's and zoé-x ran",
    }
    texts, _ = land(small, list(row.values()))
    assert texts["T-0100"] == "[name], [name] and [name]-x ran"
