"""At home in a framework: one file each, written as a stranger would write it, over the names that carbonwatch has.

To add one: a file that imports `carbonwatch` and its framework, and nothing else of ours but `_border`. Its import
fails with a line to install where the framework is missing; what fails later is a log line, and never the user's
program. Figures go where the framework's users look for theirs.
"""
