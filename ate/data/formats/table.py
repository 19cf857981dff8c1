"""Tables of text: their first line, how many rows follow, and the numbers of some rows and columns of them."""

import csv
import io
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from ate.data.formats.layout import MOST_BYTES
from ate.errors import InputError

_LONGEST_LINE = 2**20
_STEP = 2**22
# A place to start reading from, every so many rows.
_STRIDE = 4096
_LOOKED_AT = 3


@dataclass(frozen=True)
class Table:
    """What is known of a table without reading its numbers.

    Attributes:
        first: cells of its first line.
        header: whether they are names; otherwise they are numbers, the first row.
        delimiter: what stands between cells; a blank for any number of blanks.
        rows: rows of numbers.
        marks: the byte at which row 0, 4096, 8192, … begins.
        end: the byte after the last row.
    """

    first: tuple[str, ...]
    header: bool
    delimiter: str
    rows: int
    marks: tuple[int, ...]
    end: int


def scan(file: Path) -> Table:
    """The first line of a table, and where its rows lie.

    Raises:
        InputError: the file is empty, no text, or has names and no rows.
    """
    try:
        with file.open("rb") as stream:
            line, after = stream.readline(_LONGEST_LINE + 1), stream.readline(_LONGEST_LINE + 1)
            begin = 0
            # Of several lines of comments the last one may have the names; the others say something else.
            while line.startswith(b"#") and after and (after.startswith(b"#") or _widths_differ(line, after, file)):
                begin, line, after = begin + len(line), after, stream.readline(_LONGEST_LINE + 1)
            first, delimiter = _cells(line, file)
            header = not all(_is_number(cell) for cell in first)
            begin += len(line) if header else len(line) - len(line.removeprefix(b"\xef\xbb\xbf"))
            stream.seek(begin)
            rows, marks, end = _lines(stream, begin)
    except OSError as error:
        raise _odd(f"a file that cannot be read ({error})", str(file)) from error
    if not rows:
        raise _odd("no row of numbers", str(file))
    if rows * len(first) * 8 > MOST_BYTES:
        raise _odd(f"{rows:,} rows of {len(first)}", str(file))
    return Table(first, header, delimiter, rows, marks, end)


@dataclass(frozen=True)
class Rows:
    """Reads some columns of some rows of a table as numbers, from row `first` on; columns `loose` may hold text."""

    file: Path
    table: Table
    names: tuple[str, ...]
    columns: tuple[int, ...]
    first: int = 0
    loose: tuple[int, ...] = ()

    def __call__(self, start: int, stop: int) -> np.ndarray:
        """Rows `[start, stop)`, float64.

        Raises:
            InputError: a cell is no number, or a row has another number of cells; with its row and column.
        """
        if start == stop:
            return np.empty((0, len(self.columns)))
        start, stop = start + self.first, stop + self.first
        lines = _text(self.file, self.table, start, stop)
        values = self._parsed(lines)
        if values is None or values.shape != (stop - start, len(self.columns)):
            raise self._culprit(lines, start)
        return values

    def _parsed(self, lines: list[str]) -> np.ndarray | None:
        if not all(line.strip() for line in lines):
            # Blank lines would be passed over.
            return None
        values = _numbers("\n".join(lines), self.table.delimiter, None)
        if values is not None and values.shape[1] == len(self.names):
            return values[:, list(self.columns)]
        # Text in columns that nobody reads does no harm, as long as every row has its cells.
        if any(len(_split(line, self.table.delimiter)) != len(self.names) for line in lines):
            return None
        strict = [i for i in range(len(self.names)) if i not in self.loose]
        values = _numbers("\n".join(lines), self.table.delimiter, tuple(strict))
        return None if values is None else values[:, [strict.index(i) for i in self.columns]]

    def _culprit(self, lines: list[str], start: int) -> InputError:
        for number, line in enumerate(lines, start=start):
            where = f"{self.file}, row {number}"
            cells = _split(line, self.table.delimiter)
            if len(cells) != len(self.names):
                return _odd(f"{len(cells) if line.strip() else 0} cells", where, f"{len(self.names)} cells")
            for column, (name, cell) in enumerate(zip(self.names, cells, strict=True)):
                if column not in self.loose and not _is_number(cell):
                    return _no_number(cell, f"{where}, column {name!r}", cells)
        return _odd("rows that cannot be parsed", f"{self.file}, from row {start} on", "a line of numbers a row")


def written(file: Path, table: Table) -> tuple[int, ...]:
    """Columns that hold text and no number in the first rows and in the last one."""
    count = min(table.rows, _LOOKED_AT)
    lines = [*_text(file, table, 0, count), *_text(file, table, table.rows - 1, table.rows)]
    rows = [_split(line, table.delimiter) for line in lines]
    if any(len(row) != len(table.first) for row in rows):
        # Reading them names the row.
        return ()
    # Numbers with a decimal comma are no text, but numbers that have to be written otherwise.
    return tuple(i for i in range(len(table.first)) if all(_is_text(row[i]) for row in rows))


def texts(file: Path, table: Table, column: int) -> list[str]:
    """The cells of one column as they are written, one a row.

    Raises:
        InputError: a row is too short for the column.
    """
    cells = []
    for begin in range(0, table.rows, _STRIDE):
        for number, line in enumerate(_text(file, table, begin, min(begin + _STRIDE, table.rows)), start=begin):
            row = _split(line, table.delimiter)
            if len(row) <= column:
                got, expected = f"{len(row) if line.strip() else 0} cells", f"{len(table.first)} cells"
                raise _odd(got, f"{file}, row {number}", expected)
            cells.append(row[column])
    return cells


def _text(file: Path, table: Table, start: int, stop: int) -> list[str]:
    """Lines `[start, stop)` of the rows."""
    mark, after = start // _STRIDE, -(-stop // _STRIDE)
    end = table.marks[after] if after < len(table.marks) else table.end
    try:
        with file.open("rb") as stream:
            stream.seek(table.marks[mark])
            raw = stream.read(end - table.marks[mark])
    except OSError as error:
        raise _odd(f"a file that cannot be read ({error})", str(file)) from error
    return raw.decode("utf-8", "replace").split("\n")[start - mark * _STRIDE : stop - mark * _STRIDE]


def _numbers(text: str, delimiter: str, columns: tuple[int, ...] | None) -> np.ndarray | None:
    """Numbers of a text, `(rows, columns)`; None where a cell is none, or rows differ."""
    parted = None if delimiter == " " else delimiter
    try:
        return np.loadtxt(io.StringIO(text), delimiter=parted, comments=None, quotechar='"', usecols=columns, ndmin=2)
    except (ValueError, OverflowError):
        # Its message counts other rows than a reader of the file does: `_culprit` finds the row.
        return None


def _split(line: str, delimiter: str) -> list[str]:
    line = line.rstrip("\r")
    if delimiter == " ":
        return [cell.strip('"') for cell in line.split()]
    try:
        cells = next(csv.reader([line], delimiter=delimiter), [])
    except csv.Error:
        cells = line.split(delimiter)
    return [cell.strip() for cell in cells]


def _cells(line: bytes, file: Path) -> tuple[tuple[str, ...], str]:
    where = f"{file}, first line"
    if len(line) > _LONGEST_LINE or b"\0" in line:
        raise _odd("bytes that are no text, or no end of the line", where)
    try:
        text = line.decode("utf-8-sig").strip("\r\n")
        if not text.strip():
            raise _odd("an empty line", where)
        # Some tools mark the line of names as a comment.
        text = text.lstrip("# ") if text.startswith("#") else text
        delimiter = max("\t;,|", key=text.count)
        if delimiter not in text and len(text.split()) > 1:
            # Recorders of controllers part cells by blanks.
            delimiter, text = " ", " ".join(text.split())
        cells = next(csv.reader([text], delimiter=delimiter, strict=True))
    except (UnicodeDecodeError, csv.Error) as error:
        raise _odd(f"a line that cannot be read ({error})", where) from error
    return tuple(cell.strip() for cell in cells), delimiter


def _widths_differ(line: bytes, after: bytes, file: Path) -> bool:
    return len(_cells(line, file)[0]) != len(_cells(after, file)[0])


def _lines(stream: io.BufferedReader, begin: int) -> tuple[int, tuple[int, ...], int]:
    """Rows from here to the end, the byte at which every 4096th begins, and the byte after the last one's text."""
    rows, marks, here, last, written = 0, [begin], begin, begin, 0
    while part := stream.read(_STEP):
        stripped = part.rstrip()
        breaks = np.flatnonzero(np.frombuffer(part, np.uint8) == 10)
        # Breaks numbered from the first row on: the one before row 4096 k is a mark.
        numbers = written + 1 + np.arange(len(breaks))
        marks += [int(here + place + 1) for place in breaks[numbers % _STRIDE == 0]]
        written += len(breaks)
        if stripped:
            last = here + len(stripped)
            rows = written - int((breaks >= len(stripped)).sum()) + 1
        here += len(part)
    return (rows, tuple(mark for mark in marks if mark < last), last) if rows else (0, (begin,), begin)


def _is_text(cell: str) -> bool:
    return cell[:1].isalpha() and not _is_number(cell)


def _is_number(cell: str) -> bool:
    try:
        float(cell)
    except ValueError:
        return False
    return "_" not in cell


def _no_number(cell: str, where: str, cells: Sequence[str]) -> InputError:
    """With the cause where it can be told: a decimal comma, a line of words such as units or the names again."""
    fix = "export the table again, or exclude this file"
    if re.fullmatch(r"[-+]?\d*,\d+(?:[eE][-+]?\d+)?", cell.strip()):
        fix = "write decimal points: python -c \"import pandas; pandas.read_csv('IN.csv', sep=None, engine='python', "
        fix += "decimal=',').to_csv('OUT.csv', index=False)\""
    elif not any(_is_number(other) for other in cells):
        fix = "delete this line of words: names stand in the first line alone, units in the robot's profile (--robot)"
    return InputError(f"{cell!r:.60}", where=where, expected="a number with a decimal point", fix=fix)


def _odd(got: str, where: str, expected: str = "a table of numbers, one row a step") -> InputError:
    return InputError(got, where=where, expected=expected, fix="export the table again, or exclude this file")
