"""Files of a model: their location, configuration and tokenizer. They are read without torch."""
