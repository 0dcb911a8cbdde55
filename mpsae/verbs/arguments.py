"""Arguments of the verbs: argparse with one-line errors that suggest the nearest spelling."""

import argparse
import difflib
import re
from typing import NoReturn


class Arguments(argparse.ArgumentParser):
    """Raises ValueError instead of printing the usage, so that the CLI says one line."""

    def error(self, message: str) -> NoReturn:
        """Turn argparse's message into a ValueError, with the nearest option or choice."""
        word, known = "", [option for action in self._actions for option in action.option_strings]
        if unknown := re.match(r"unrecognized arguments: (\S+)", message):
            word = unknown[1]
        elif choice := re.search(r"invalid choice: '(.*)' \(choose from (.*)\)", message):
            word, known = choice[1], re.findall(r"\w+", choice[2])
        near = difflib.get_close_matches(word, known, n=1)
        hint = f"; did you mean {near[0]}?" if near else ""
        raise ValueError(f"{message}{hint} (see {self.prog} --help)")
