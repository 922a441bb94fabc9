"""Programs that tests start get Ctrl-C, and end with their test."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

from programs import Programs
from repository import house

PARENT = """
import subprocess, sys, time
subprocess.Popen([sys.executable, "-c", "import time; print('up', flush=True); time.sleep(1000)"])
time.sleep(1000)
"""
IGNORES = """
import signal, subprocess, sys
signal.signal(signal.SIGINT, signal.SIG_IGN)
from programs import restore_ctrl_c
restore_ctrl_c()
signal.raise_signal(signal.SIGINT)
code = "import signal; print(signal.getsignal(signal.SIGINT) is signal.default_int_handler)"
sys.exit(subprocess.call([sys.executable, "-c", code]))
"""

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="no process groups there")


def test_a_program_is_killed_with_what_it_started() -> None:
    """What a test leaves behind is killed, and so is what that has started: nothing holds its output open."""
    programs = Programs()
    parent = programs.start(sys.executable, "-c", PARENT, stdout=subprocess.PIPE)
    assert parent.stdout is not None
    assert "up\n" == parent.stdout.readline()
    output = os.dup(parent.stdout.fileno())
    programs.kill()
    assert b"" == os.read(output, 1)  # at its end when nobody can write to it any more
    os.close(output)


def test_programs_get_ctrl_c_although_the_tests_ignore_it(programs: Programs) -> None:
    """Under `nohup` the tests ignore Ctrl-C, and a program they start does not."""
    program = programs.start(sys.executable, "-c", IGNORES, stdout=subprocess.PIPE, cwd=house.ROOT / "tests")

    said, _ = program.communicate()

    assert (0, "True\n") == (program.returncode, said)
