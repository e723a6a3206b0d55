"""Hand lettering: capitals and katakana as pen strokes, set in rows or in columns, and the words for them."""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass

from kunstkammer.data.drawn.canvas import Canvas, Colour, Point

# Strokes as pairs of digits (x, y): capitals on a grid of 4 x 6, katakana on one of 6 x 6.
CAPITALS = {
    "A": "06 20 46|14 34", "B": "00 06|00 30 42 33 03|33 45 36 06", "C": "41 20 02 04 26 45",
    "D": "00 06|00 30 43 36 06", "E": "40 00 06 46|03 33", "F": "40 00 06|03 33", "G": "41 20 02 04 26 45 43 23",
    "H": "00 06|40 46|03 43", "I": "20 26", "J": "40 44 26 05", "K": "00 06|40 03 46", "L": "00 06 46",
    "M": "06 00 24 40 46", "N": "06 00 46 40", "O": "20 02 04 26 44 42 20", "P": "06 00 30 42 33 03",
    "Q": "20 02 04 26 44 42 20|24 46", "R": "06 00 30 42 33 03|23 46", "S": "41 20 01 43 45 26 05",
    "T": "00 40|20 26", "U": "00 04 26 44 40", "V": "00 26 40", "W": "00 16 22 36 40", "X": "00 46|40 06",
    "Y": "00 23 40|23 26", "Z": "00 40 06 46", "!": "20 24|25 26", "?": "01 20 41 23 24|25 26", ".": "25 26",
    ",": "25 16", "'": "20 21", "-": "13 33",
}  # fmt: skip
KATAKANA = {
    "ア": "01 61 33|32 34 16", "イ": "50 03|32 36", "ウ": "30 31|13 11 51 43 26", "エ": "11 51|31 35|05 65",
    "オ": "02 62|40 46 35|42 05", "カ": "02 62 56 45|30 32 06", "キ": "12 51|03 63|20 46", "ク": "20 13|21 51 45 16",
    "ケ": "20 03|12 62|42 26", "コ": "01 51 56|06 56", "サ": "02 62|20 24|40 43 26", "シ": "11 22|03 14|06 36 62",
    "ス": "01 51 06|34 66", "セ": "03 62 44|20 25 56", "タ": "20 13|21 51 45 16|23 44", "テ": "11 51|03 63|33 16",
    "ト": "20 26|22 54", "ナ": "02 62|30 33 16", "ニ": "11 51|05 65", "ノ": "50 44 06", "ハ": "21 05|41 65",
    "ヒ": "10 15 56|13 52", "フ": "11 51 44 16", "ヘ": "04 22 65", "ホ": "02 62|30 36|13 05|53 65",
    "マ": "01 61 34|23 45",
    "ミ": "11 42|13 44|15 56", "メ": "50 06|13 46", "ヤ": "03 61 53|20 36", "ヨ": "01 51 56|03 53|06 56",
    "ラ": "11 51|02 62 45 16", "リ": "11 14|51 54 26", "ル": "20 23 06|40 46 63", "レ": "10 16 62",
    "ロ": "11 51 55 15 11", "ワ": "13 11 51 44 16", "ン": "11 22|06 36 62", "ー": "30 36",
}  # fmt: skip

SENTENCES = (
    "WHO GOES THERE?", "LOOK OUT!", "WE ARE LATE AGAIN", "THE RIVER RISES", "NOT MY HAT!", "WHERE IS THE MAP?",
    "ONE MORE CUP OF TEA", "I KNEW IT!", "RUN FOR IT!", "THE CAT KNOWS", "MEANWHILE...", "LATER THAT NIGHT",
    "THE LAST TRAIN IS GONE", "GOOD GRIEF", "SAY THAT AGAIN", "NOBODY LISTENS TO ME", "THE COIN IS A FAKE!",
    "IT WAS HERE A MOMENT AGO", "DO NOT OPEN THAT BOX", "AT DAWN WE SAIL", "WHAT A DAY", "IS IT FAR?", "JUST A DREAM",
    "THE MUSEUM IS CLOSED", "HOLD ON TIGHT!", "THAT SMELLS FINE", "YOU AGAIN?", "THE WIND HAS TURNED",
)  # fmt: skip
BANGS = ("POW", "BANG", "ZAP", "CRASH", "WHAM", "ZOOM", "THUD", "SPLASH", "KNOCK", "RING", "VROOM", "CLICK")
ECHOES = (
    "ワー",
    "ハハハ",
    "コン",
    "トン",
    "フフフ",
    "シーン",
    "キラキラ",
    "ニコ",
    "ワイワイ",
    "カーン",
    "ヒュー",
    "サー",
    "ハー",
)

_STROKES: dict[str, list[list[Point]]] = {
    letter: [
        [(int(p[0]) / (4 if letter in CAPITALS else 6), int(p[1]) / 6) for p in s.split()] for s in code.split("|")
    ]
    for letter, code in (CAPITALS | KATAKANA).items()
}


def speech(rng: random.Random, room: int) -> list[str]:
    """Return the words of a sentence of at most about `room` letters."""
    fitting = [s for s in SENTENCES if len(s) <= room] or ["HM!"]
    return rng.choice(fitting).split()


def columns_of(rng: random.Random, letters: int, tall: int) -> list[str]:
    """Return about `letters` katakana in columns of at most `tall`; they stand for speech and mean nothing."""
    known = list(KATAKANA)[:-1]
    text = "".join(rng.choice(known) for _ in range(letters))
    return [text[i : i + tall] for i in range(0, letters, tall)]


def rows_of(words: Sequence[str], wide: int) -> list[str]:
    """Return the words broken into rows of at most `wide` letters where a word allows it.

    >>> rows_of(["NOT", "MY", "HAT!"], 7)
    ['NOT MY', 'HAT!']
    """
    rows: list[str] = []
    for word in words:
        if rows and len(rows[-1]) + 1 + len(word) <= wide:
            rows[-1] += " " + word
        else:
            rows.append(word)
    return rows


@dataclass(frozen=True)
class Type:
    """How letters are written: their height, the width of the pen, the colour, and how far their top leans right."""

    height: float
    pen: float
    colour: Colour
    lean: float = 0.0

    @property
    def step(self) -> float:
        """The distance from one capital to the next in a row."""
        return self.height * 0.86

    @property
    def leading(self) -> float:
        """The distance from one katakana to the next in a column."""
        return self.height * 1.16

    def letter(self, canvas: Canvas, letter: str, x: float, y: float) -> None:
        """Write one letter with its upper left corner at (x, y); what is not in the alphabets leaves a gap."""
        wide = self.height * (0.6 if letter in CAPITALS else 0.9)
        tall = self.height * (1.0 if letter in CAPITALS else 0.92)
        for stroke in _STROKES.get(letter, ()):
            points = [(x + px * wide + self.lean * (1 - py) * tall, y + py * tall) for px, py in stroke]
            canvas.line(points, width=self.pen, colour=self.colour, taper=0)

    def row(self, canvas: Canvas, text: str, x: float, y: float) -> None:
        """Write a row of capitals with its left end at x and its top at y."""
        for i, letter in enumerate(text):
            self.letter(canvas, letter, x + i * self.step, y)

    def column(self, canvas: Canvas, text: str, x: float, y: float) -> None:
        """Write a column of katakana downward from (x, y)."""
        for i, letter in enumerate(text):
            self.letter(canvas, letter, x, y + i * self.leading)
