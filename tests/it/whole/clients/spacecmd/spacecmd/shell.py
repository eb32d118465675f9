"""The shell: commands are methods of its class."""

import cmd
import shlex

from spacecmd.utils import prompt_user


class SpacewalkShell(cmd.Cmd):
    SEPARATOR = "\n" + "#" * 30 + "\n"

    def __init__(self, options, client, session):
        super().__init__()
        self.options = options
        self.client = client
        self.session = session

    def precmd(self, line):
        words = shlex.split(line)
        if "-h" in words or "--help" in words:
            return "help " + words[0]
        return line

    def user_confirm(self, prompt="Is this ok [y/N]:"):
        return self.options.yes or prompt_user("\n" + prompt).lower().startswith("y")
