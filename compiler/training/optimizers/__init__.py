"""Optimizers: one file each; importing this registers them all."""

from netc.compiler.training.optimizers import adagrad, adam, rmsprop, sgd  # noqa: F401
