"""From gradients to the next state: optimizers, schedules, clipping, averages, and the settings of a train block."""
