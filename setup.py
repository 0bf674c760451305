"""Maps the folders of the checkout onto the one import package `netc`; everything else is in pyproject.toml."""

from setuptools import find_packages, setup

ROOTS = ("grammar", "compiler", "runtime", "models")

setup(packages=["netc"] + [f"netc.{p}" for r in ROOTS for p in (r, *(f"{r}.{s}" for s in find_packages(r)))])
