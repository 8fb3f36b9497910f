"""BERT, RoBERTa and GPT-2, run by Keras on TensorFlow."""
