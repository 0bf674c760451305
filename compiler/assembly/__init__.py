"""From a typed net to the graphs of a program."""
