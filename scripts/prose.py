"""Take what is prose out of files of several kinds, for `check_words.py`.

Each reader replaces what is not prose, so that a line of its answer is the same line of the file: a
value becomes `¤`, and `¶` ends a paragraph, so no rule reads across either.
"""

import ast
import csv
import io
import re
from collections.abc import Callable, Iterator

import yaml

Passage = tuple[int, str]  # the line where it begins, and its prose

WORDS = re.compile(r"[A-Za-z¤]+,? [A-Za-z]+,? [A-Za-z]+")
PROSE_KEYS = re.compile(
    r"description|reason|claim|label|base|title|subtitle|meaning|text|note|help|says|example|licence|.*_name"
)
IS_SQL = re.compile(
    r"^\s*(?:--|(?:select|with \w+ as|create|insert|update|delete|copy|attach|from \w+\.)\b)"
    r"|\b(?:order|group) by\b|= \$"
)
# tags that end a paragraph of a page; all others stand within one
BLOCK_TAG = re.compile(
    r"</?(?:h[1-6]|p|li|ul|ol|t[dhr]|table|div|d[dlt]|summary|details|figcaption|figure|caption|"
    r"title|button|label|option|section|br|nav|main|header|footer|form|select)\b"
)
READ_ATTRIBUTE = re.compile(r"""\b(?:title|alt|aria-label|placeholder|content)="([^"]*)\"""")


def _hide(match: re.Match[str], sign: str = " ") -> str:
    """Replace what was found by signs of the same number, and leave its line breaks."""
    return re.sub(r"[^\n]", sign, match[0])


def _hide_jinja(match: re.Match[str]) -> str:
    """Leave of a tag of a template only its texts: `{{ "one log" if n == 1 else "logs" }}`."""
    sign = "¤" if match[0].startswith("{{") else " "
    hidden = list(_hide(match, sign))
    if not match[0].startswith("{#"):
        for text in re.finditer(r'"([^"]*)"|\'([^\']*)\'', match[0]):
            if " " in text[0]:
                hidden[text.start() : text.end()] = f"¶{text[0][1:-1]}¶"
    return "".join(hidden)


def _hide_tag(match: re.Match[str]) -> str:
    """Leave of a tag of HTML only its attributes that people see or hear."""
    hidden = list(_hide(match, "¶" if BLOCK_TAG.match(match[0]) else " "))
    for attribute in READ_ATTRIBUTE.finditer(match[0]):
        hidden[attribute.start(1) : attribute.end(1)] = attribute[1]
        hidden[attribute.start(1) - 1] = hidden[attribute.end(1)] = "¶"
    return "".join(hidden)


def read_template(text: str) -> Iterator[Passage]:
    """Give the text of a template, without tags, styles and scripts.

    Args:
        text: The template.

    Yields:
        The whole as one passage.
    """
    text = re.sub(r"\{\{.*?\}\}|\{%.*?%\}|\{#.*?#\}", _hide_jinja, text, flags=re.S)
    text = re.sub(r"<(style|script)\b.*?</\1>|<!--.*?-->", _hide, text, flags=re.S)
    text = re.sub(r"<(code|kbd|pre)\b.*?</\1>", lambda m: _hide(m, "¤"), text, flags=re.S)
    yield 1, re.sub(r"</?[a-zA-Z][^<>]*>", _hide_tag, text)


def read_markdown(text: str) -> Iterator[Passage]:
    """Give the text of Markdown, without code, links and Jinja.

    Args:
        text: The Markdown.

    Yields:
        The whole as one passage.
    """
    text = re.sub(r"^( *)(```|~~~).*?^\1\2", _hide, text, flags=re.S | re.M)
    text = re.sub(r"`[^`]*`", lambda m: _hide(m, "¤"), text)
    text = re.sub(r"\]\([^)]*\)|\*", _hide, text)
    text = re.sub(r"^ *(?:[-*]|\d+\.|#+) |\|", lambda m: _hide(m, "¶"), text, flags=re.M)
    yield from read_template(re.sub(r"\n[ \t]*(?=\n)", "\n¶", text))


def _text_of(node: ast.AST) -> str | None:
    """Give the text of a string, with a sign for each value that is put into it."""
    if isinstance(node, ast.Constant) and isinstance(node.value, str):
        return node.value
    if isinstance(node, ast.JoinedStr):
        return "".join(_text_of(part) or "¤" for part in node.values)
    return None


def _is_shown(function: ast.AST) -> bool:
    """Say whether people read the docstring of a function: that of a command is its help."""
    return any(
        isinstance(part, ast.Attribute) and part.attr in ("command", "callback")
        for decorator in getattr(function, "decorator_list", ())
        for part in ast.walk(decorator)
    )


def _docstrings(tree: ast.Module) -> Iterator[ast.AST]:
    """Give the docstrings that are for those who read the code."""
    shows_its_own = any(isinstance(n, ast.Name) and n.id == "__doc__" for n in ast.walk(tree))
    for node in ast.walk(tree):
        body = getattr(node, "body", None)
        if isinstance(body, list) and body and isinstance(body[0], ast.Expr):
            shown = shows_its_own if node is tree else _is_shown(node)
            if not shown:
                yield body[0].value


def read_python(text: str) -> Iterator[Passage]:
    """Give the strings of a module that are prose: at least three words, and no SQL.

    Args:
        text: The module.

    Yields:
        Each string; the help of commands among them, and no other docstring.
    """
    tree = ast.parse(text)
    passed_over = {id(node) for node in _docstrings(tree)}
    for node in ast.walk(tree):
        if id(node) in passed_over:
            continue
        if isinstance(node, ast.JoinedStr):
            passed_over |= {id(part) for part in node.values}
        string = _text_of(node)
        if string and WORDS.search(string) and not IS_SQL.search(string):
            yield node.lineno, re.sub(r"\n\s*\n", "\n¶\n", string)  # type: ignore[attr-defined]


def read_literals(text: str) -> Iterator[Passage]:
    """Give the quoted texts of SQL or JavaScript that are prose.

    Args:
        text: The code.

    Yields:
        Each text of at least three words.
    """
    text = re.sub(r"(?:--|//) [^\n]*|/\*.*?\*/", _hide, text, flags=re.S)
    for literal in re.finditer(r"'((?:[^'\n]|'')*)'|\"([^\"\n]*)\"|`([^`]*)`", text):
        prose = literal[1] or literal[2] or literal[3] or ""
        if WORDS.search(prose):
            yield text.count("\n", 0, literal.start()) + 1, prose


def read_yaml(text: str) -> Iterator[Passage]:
    """Give the values of a YAML file that are prose, by their keys.

    Args:
        text: The YAML.

    Yields:
        Each value.
    """
    nodes = [yaml.compose(text)]
    while nodes:
        node = nodes.pop()
        if isinstance(node, yaml.SequenceNode):
            nodes += node.value
        elif isinstance(node, yaml.MappingNode):
            for key, value in node.value:
                if isinstance(value, yaml.ScalarNode) and PROSE_KEYS.fullmatch(str(key.value)):
                    yield value.start_mark.line + 1, re.sub(r"`[^`]*`", "¤", value.value)
                else:
                    nodes.append(value)


def read_csv(text: str) -> Iterator[Passage]:
    """Give the columns of a CSV file that are prose, by their names.

    Args:
        text: The CSV.

    Yields:
        Each value.
    """
    rows = csv.DictReader(io.StringIO(text))
    for row in rows:
        for column, value in row.items():
            if value and PROSE_KEYS.fullmatch(column or ""):
                yield rows.line_num, value


READERS: dict[str, Callable[[str], Iterator[Passage]]] = {
    ".md": read_markdown,
    ".j2": read_template,
    ".py": read_python,
    ".sql": read_literals,
    ".js": read_literals,
    ".yml": read_yaml,
    ".yaml": read_yaml,
    ".csv": read_csv,
}
