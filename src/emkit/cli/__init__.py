"""The command line.

``commands/`` holds one file for each command and ``models/`` one for each model that ``--model`` can name; to add one, add
its file and its line in the registry beside it.
"""
