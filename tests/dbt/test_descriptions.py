"""What the project says of its columns stands once, and is used."""

import re
from collections import Counter
from pathlib import Path
from typing import Any

import yaml

from cdi import paths


def property_files() -> list[Path]:
    """The YAML files of models and seeds; those of sources are read by the build as they stand."""
    project = paths.DBT_PROJECT
    return [*project.glob("models/*/*.yml"), *project.glob("seeds/*.yml")]


def described_tables() -> list[dict[str, Any]]:
    """Every model and seed with its columns, as the files write them."""
    found: list[dict[str, Any]] = []
    for file in property_files():
        content = yaml.safe_load(file.read_text(encoding="utf-8"))
        found += content.get("models", []) + content.get("seeds", [])
    return found


def test_a_description_that_three_columns_share_is_a_doc_block() -> None:
    written = Counter(
        column["description"].strip() for table in described_tables() for column in table["columns"]
    )
    assert len(written) > 400
    repeated = {text for text, times in written.items() if times > 2 and "doc(" not in text}
    assert repeated == set()


def test_each_doc_block_serves_several_columns() -> None:
    blocks = (paths.DBT_PROJECT / "models" / "columns.md").read_text(encoding="utf-8")
    names = re.findall(r"\{% docs (\w+) %\}", blocks)
    assert names == sorted(set(names))
    text = "".join(file.read_text(encoding="utf-8") for file in property_files())
    used = Counter(re.findall(r"""doc\(["'](\w+)["']\)""", text))
    assert {name for name in names if used[name] < 2} == set()
