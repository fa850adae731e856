"""What goes wrong with free text."""

import html

from cdi_proofs.corruptions.model import Table, of_text


@of_text
def mojibake(table: Table, column: str) -> None:
    """UTF-8 that was read as Windows-1252 and written as UTF-8 again."""
    table.change(column, lambda text: f"{text} Siân said £20 was taken".encode().decode("cp1252"))


@of_text
def html_entities(table: Table, column: str) -> None:
    """Text from a web form was escaped for HTML and never unescaped."""
    table.change(column, lambda text: html.escape(f'{text} "quoted" & <sic>'), every=10)


@of_text
def formulas_in_cells(table: Table, column: str) -> None:
    """One text in fifty is a formula, which a spreadsheet runs."""
    table.change(column, lambda text: f'=HYPERLINK("http://example.org","{text}")', every=50)


@of_text
def texts_cut_off(table: Table, column: str) -> None:
    """Texts were cut off after twenty characters."""
    table.change(column, lambda text: text[:20])


@of_text
def texts_blank(table: Table, column: str) -> None:
    """The texts were not exported."""
    table.set(column, "")


@of_text
def delimiters_in_text(table: Table, column: str) -> None:
    """One text in thirty holds the delimiter and was not quoted."""
    place = table.place(column)
    for row in table.whole[::30]:
        row[place : place + 1] = [row[place], "and more"]


@of_text
def lost_characters(table: Table, column: str) -> None:
    """U+FFFD stands where a character could not be decoded."""
    table.change(column, lambda text: text.replace("e", "\ufffd", 1), every=7)
