"""
What the flows say: every echo but an exact one alters each of these texts.
"""

from __future__ import annotations

from typing import Final

# Two forms of é, CRLF and LF, quotes, dots, markup, double blanks, and more than sixty characters.
PROMPT: Final = (
    'A 30-second  intro to our café\'s "Espresso"...\r\nSay it is <b>hot</b> & strong, in the cafe\u0301.\n'
    "End it on a Monday.\n"
)
OTHER_PROMPT: Final = (
    'Five tips  for the café\'s "new" waiters...\r\nKeep it <i>light</i> & short, cafe\u0301 style.\n'
    "End it with a smile.\n"
)
EARLIER_PROMPT: Final = (
    'What the  café\'s "regulars" say...\r\nLet <b>three</b> of them & the owner of the cafe\u0301 speak.\n'
    "End it with their names.\n"
)
REVISION: Final = (
    'A warmer  opening for the café\'s "shot"...\r\nShow <b>steam</b> & hands in the cafe\u0301, please.\n'
    "Then cut on Monday.\n"
)
APPROVAL: Final = (
    'I approve  the café\'s "storyboard"...\r\nRender <b>all</b> of it & keep the cafe\u0301 in it.\n'
    "Send it on Monday.\n"
)
ATTACHMENT: Final = "https://files.example.com/menu.pdf"
