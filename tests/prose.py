"""How long sentences are: of the pages in Markdown, and of the docstrings in `ate`.

python -m tests.prose                # every page and notebook: sentences, mean, longest
python -m tests.prose --docstrings   # sentences of docstrings that are over the limit, with their places
"""

import ast
import inspect
import json
import re
import sys
from collections.abc import Iterator
from pathlib import Path

from ate.experiments.settings import ROOT

MEAN, LONGEST = 20, 40
PAGES = [
    ROOT / "README.md",
    *sorted((ROOT / "docs").glob("*.md")),
    *(ROOT / name for name in ("data/README.md", "tests/golden/README.md", "tests/real/README.md")),
    *sorted((ROOT / "notebooks").glob("*.ipynb")),
]
# A label of one or two words is no sentence, and would lower the mean.
FEWEST = 3
ABBREVIATIONS = re.compile(r"\b(e\.g|i\.e|cf|vs|al|Fig|Eq|etc)\.")
SENTENCE_END = re.compile(r"(?<=[.!?])[)\"'*]*\s+(?=[\"'(*\[]*[A-Z0-9λσ→μ\u2022`⟦])")
SECTION = re.compile(r"(Args|Returns|Raises|Yields|Attributes|Example|Examples|Note|Notes):$")


def _plain(text: str) -> str:
    """A block without markup: code between backticks is one word, a link is its text."""
    text = re.sub(r"``([^`]+)``|`([^`]+)`", "⟦code⟧", text)
    text = re.sub(r"!\[[^\]]*\]\([^)]*\)", "", text)
    text = re.sub(r"\[([^\]]*)\]\([^)]*\)", r"\1", text)
    return re.sub(r"<[^>]+>|[*_]{1,2}(?=\w)|(?<=[\w.!?,:%)])[*_]{1,2}", "", text)


def sentences(block: str) -> list[str]:
    """Sentences of one paragraph or list item."""
    text = ABBREVIATIONS.sub(lambda match: match[0].replace(".", ""), _plain(" ".join(block.split())))
    return [part for part in SENTENCE_END.split(text) if n_words(part) >= FEWEST]


def n_words(sentence: str) -> int:
    """Words and numbers; dashes, arrows and lone symbols are none."""
    return sum(any(letter.isalnum() for letter in word) for word in sentence.split())


def blocks_of_page(text: str) -> Iterator[str]:
    """Paragraphs and list items of Markdown, without code, tables, headings and formulas."""
    text = re.sub(r"^```.*?^```$", "", text, flags=re.M | re.S)
    block: list[str] = []
    blank = True
    for line in [*text.splitlines(), ""]:
        item = re.match(r"\s*([-*]|\d+\.)\s+", line)
        code = blank and not block and line.startswith("    ") and not item
        if not line.strip() or item or code or line.startswith(("#", "|", "<")):
            if block:
                yield " ".join(block)
            block = [line[item.end() :]] if item else []
        else:
            block.append(line.strip())
        blank = not line.strip() or code


def blocks_of_docstring(docstring: str) -> Iterator[str]:
    """Paragraphs, list items and entries of sections (`Args:` and so on) of a docstring, without code and tables."""
    block: list[str] = []
    section = False
    for line in [*inspect.cleandoc(docstring).splitlines(), ""]:
        indent = len(line) - len(line.lstrip())
        header = SECTION.match(line)
        item = re.match(r"\s*([-*•]|\d+\.)\s+", line)
        entry = section and indent == 4
        if line.strip() and indent == 0 and not header:
            section = False
        skipped = line.lstrip().startswith("|") or (not section and indent >= 4 and not item and not block)
        if not line.strip() or header or item or entry or skipped:
            if block:
                yield " ".join(block)
            section = section or header is not None
            block = [] if header or skipped or not line.strip() else [line[item.end() :] if item else line.strip()]
        else:
            block.append(line.strip())


def page_text(page: Path) -> str:
    """The Markdown of a page; of a notebook that of its cells."""
    text = page.read_text(encoding="utf-8")
    if page.suffix != ".ipynb":
        return text
    return "\n\n".join("".join(cell["source"]) for cell in json.loads(text)["cells"] if cell["cell_type"] == "markdown")


def page_sentences(page: Path) -> list[str]:
    """Sentences of a page or of a notebook's Markdown."""
    return [sentence for block in blocks_of_page(page_text(page)) for sentence in sentences(block)]


def docstring_sentences(module: Path) -> Iterator[tuple[int, str]]:
    """Every sentence of a module's docstrings, with the line of what is documented."""
    documented = (ast.Module, ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)
    for node in ast.walk(ast.parse(module.read_text(encoding="utf-8"))):
        docstring = ast.get_docstring(node, clean=False) if isinstance(node, documented) else None
        for block in blocks_of_docstring(docstring or ""):
            yield from ((getattr(node, "lineno", 1), sentence) for sentence in sentences(block))


def _print_pages() -> None:
    print(f"{'page':36}{'sentences':>10}{'mean':>7}{'longest':>9}{'over 40':>9}")
    for page in PAGES:
        counts = [n_words(sentence) for sentence in page_sentences(page)]
        over = sum(count > LONGEST for count in counts)
        mean = sum(counts) / len(counts)
        print(f"{page.relative_to(ROOT)!s:36}{len(counts):10}{mean:7.1f}{max(counts):9}{over:9}")


def _print_docstrings() -> None:
    total, words, over = 0, 0, 0
    for module in sorted((ROOT / "ate").rglob("*.py")):
        for line, sentence in docstring_sentences(module):
            count = n_words(sentence)
            total, words = total + 1, words + count
            if count > LONGEST:
                over += 1
                print(f"{module.relative_to(ROOT)}:{line}: {count} words: {sentence}")
    print(f"{total} sentences of docstrings, {words / total:.1f} words on average, {over} over {LONGEST}")


if __name__ == "__main__":
    _print_docstrings() if "--docstrings" in sys.argv else _print_pages()
