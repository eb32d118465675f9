"""Runs a command on its own terminal: `terminal.py QUESTION ANSWER COMMAND...`.

Types ANSWER once QUESTION is on the screen (`terminal.py --interrupt TEXT COMMAND...`: Ctrl-C once
TEXT is there); prints all that the screen showed, and ends with the
command's exit code.
"""

import os
import pty
import sys
import termios
import time

interrupt = sys.argv[1] == "--interrupt"
if interrupt:
    question, *command = sys.argv[2:]
    answer = ""
else:
    question, answer, *command = sys.argv[1:]
child, screen = pty.fork()
if child == 0:
    os.execvp(command[0], command)
shown = b""
asked = False
while True:
    try:
        part = os.read(screen, 1024)
    except OSError:
        part = b""
    if not part:
        break
    shown += part
    if not asked and question.encode() in shown:
        asked = True
        if interrupt:
            os.write(screen, b"\x03")
            continue
        # Input typed before the echo is switched off is discarded.
        while termios.tcgetattr(screen)[3] & termios.ECHO:
            time.sleep(0.01)
        os.write(screen, answer.encode() + b"\n")
sys.stdout.write(shown.decode())
sys.exit(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
