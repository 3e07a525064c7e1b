"""Musical attributes of scores: their vocabulary, captions, and prompts that request them."""
