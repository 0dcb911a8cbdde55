"""Arguments of the verbs: argparse with one-line errors that suggest the nearest spelling."""

import argparse
import difflib
from typing import NoReturn


class Arguments(argparse.ArgumentParser):
    """Raises ValueError instead of printing the usage, so that the CLI says one line."""

    def error(self, message: str) -> NoReturn:
        """Turn argparse's message into a ValueError, with the nearest option if one was unknown."""
        options = [option for action in self._actions for option in action.option_strings]
        words = [word for word in message.split() if word.startswith("--")]
        near = difflib.get_close_matches(words[0], options, n=1) if words else []
        hint = f"; did you mean {near[0]}?" if near and near[0] not in words else ""
        raise ValueError(f"{message}{hint} (see {self.prog} --help)")
