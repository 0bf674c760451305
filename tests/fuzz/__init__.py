"""Mutants of good inputs: whatever comes in, what comes out is a result or an error of ours, soon and in little memory.

`targets.py` says what a target is, `mutation.py` changes bytes, `batch.py` runs cases in a child process under limits,
`__main__.py` is `make fuzz`. Case k of a target is a function of its name and k, so that a run can go on where another one
stopped, and a find can be tried again: `python -m tests.fuzz --only csv:123`.
"""
