"""Building ONNX graphs: types, the emitter, what is known of values. Knows nothing of specs or of training."""
