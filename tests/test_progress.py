"""One line that tells how far the work is, on a terminal and in a log."""

import io

from mpsae import progress as module
from mpsae.progress import Progress


class Terminal(io.StringIO):
    """A stream that claims to be a terminal."""

    def isatty(self):
        return True


def screen(text):
    """What is left on a terminal's last line after everything in `text` was written."""
    line = ""
    for part in text.rsplit("\n", 1)[-1].split("\r"):
        line = part + line[len(part) :]
    return line.rstrip()


def test_a_log_gets_the_first_line_at_once_and_then_one_per_interval(monkeypatch):
    now = [3.0]  # a machine that was just started
    monkeypatch.setattr(module.time, "monotonic", lambda: now[0])
    stream = io.StringIO()
    progress = Progress(stream)
    for text, later in (("one", 0.0), ("two", 9.9), ("three", 0.2), ("four", 1.0)):
        now[0] += later
        progress.show(text)
    assert stream.getvalue() == "one\nthree\n"


def test_what_is_said_always_stays():
    stream = io.StringIO()
    progress = Progress(stream)
    progress.show("one")
    progress.say("kept")
    progress.say("also kept")
    assert stream.getvalue() == "one\nkept\nalso kept\n"


def test_a_terminal_line_is_rewritten_without_leftovers():
    stream = Terminal()
    progress = Progress(stream)
    for text in ("a long line of text", "short", "middling"):
        progress.show(text)
        assert screen(stream.getvalue()) == text
    assert "\n" not in stream.getvalue()
    progress.say("kept")
    assert stream.getvalue().endswith("\rkept\n")


def test_a_line_never_wraps(monkeypatch):
    monkeypatch.setenv("COLUMNS", "20")
    stream = Terminal()
    Progress(stream).show("x" * 50)
    assert stream.getvalue() == "\r" + "x" * 19


def test_stderr_is_the_default(capsys):
    Progress().say("hello")
    assert capsys.readouterr() == ("", "hello\n")
