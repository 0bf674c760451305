"""What holds of every spec, tried on random ones. `make properties` tries many."""
