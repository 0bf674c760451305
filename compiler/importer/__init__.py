"""ONNX models from anywhere, as graphs of ours: read, walked, raised to opset 18, and built anew node by node."""
