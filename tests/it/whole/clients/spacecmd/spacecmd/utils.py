"""The functions of `spacecmd.utils` that modules use, with their quirks."""

import argparse
import re
import shlex


class Parser(argparse.ArgumentParser):
    def error(self, message):
        # An interactive shell continues after an error.
        raise ValueError(message)


def get_argument_parser():
    return Parser()


def parse_command_arguments(command_args, argument_parser, glob=True):
    words = shlex.split(command_args)
    if glob:
        words = [word.replace("*", ".*") for word in words]
    argument_parser.add_argument("leftovers", nargs="*")
    options = argument_parser.parse_args(words)
    return options.leftovers, options


def is_interactive(options):
    return not any(vars(options).values())


def filter_results(items, patterns, search=False):
    matches = re.search if search else re.fullmatch
    return [item for item in items if any(matches(p, item, re.I) for p in patterns)]


def prompt_user(prompt, noblank=False, multiline=False):
    while True:
        try:
            answer = input(prompt + " ")
        except EOFError:
            return ""
        if answer or not noblank:
            return answer


def tab_completer(options, text):
    return [option for option in options if re.match(text, option)]
