"""How a word of the language is described, and what the shape rules of words say again and again."""
