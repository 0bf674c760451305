"""Random inputs through the public faces: whatever comes, a sentence and no traceback."""
