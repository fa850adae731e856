"""What the masks leave in 400 invented texts whose writers did not know the masks.

The people, numbers and plates are invented. `blind_texts_1.jsonl` was measured, and then the masks
were improved with an eye on it; `blind_texts_2.jsonl` was written apart, and nobody who worked on
the masks has read it. docs/privacy.md tells these figures, so that a user knows what to expect.
"""

import json
import re
from collections import Counter

import duckdb
import pytest

from cdi import paths
from cdi.landing.masks import mask_text_expression, prepare_masks

# By set: personal details, those left whole, names left in part, words that should stay, and those
# of them that are masked.
FIGURES = {"1": (361, 21, 10, 343, 13), "2": (251, 48, 6, 205, 21)}


@pytest.mark.parametrize("number", FIGURES)
def test_as_much_is_left_as_the_page_says(number: str) -> None:
    file = paths.REPO / "tests" / "data" / f"blind_texts_{number}.jsonl"
    texts = [json.loads(line) for line in file.read_text(encoding="utf-8").splitlines()]
    assert len(texts) == 200
    with duckdb.connect() as con:
        prepare_masks(con)
        rows = con.execute(
            f"select {mask_text_expression('t', [])} from (select unnest($texts::varchar[]) as t)",
            {"texts": [text["text"] for text in texts]},
        ).fetchall()
    found: Counter[str] = Counter()
    for text, (masked,) in zip(texts, rows, strict=True):
        for personal in text["personal"]:
            found["personal"] += 1
            if personal["text"] in masked:
                found["left"] += 1
            elif personal["kind"] == "name":
                parts = re.findall(r"\w{3,}", personal["text"])
                found["in part"] += any(re.search(rf"\b{part}\b", masked) for part in parts)
        found["to stay"] += len(text["not_personal"])
        found["lost"] += sum(word not in masked for word in text["not_personal"])
    counts = tuple(found[name] for name in ("personal", "left", "in part", "to stay", "lost"))
    assert counts == FIGURES[number]
    page = (paths.REPO / "docs" / "privacy.md").read_text(encoding="utf-8")
    (row,) = re.findall(rf"^\| {number} \|.*$", page, re.M)
    assert tuple(map(int, re.findall(r"\b\d+\b", row.split("|", 2)[2]))) == counts
