"""Prints every command of the original client with its flags, a line for each: words, a tab, flags."""

import click
from anchorecli.cli import main_entry


def flags(command):
    return [name for option in command.params if isinstance(option, click.Option) for name in option.opts + option.secondary_opts]


def walk(command, words):
    if isinstance(command, click.Group):
        for name, below in sorted(command.commands.items()):
            walk(below, words + [name])
    else:
        print(" ".join(words), " ".join(flags(command)), sep="\t")


print("", " ".join(flags(main_entry)), sep="\t")
walk(main_entry, [])
