"""T5 and Marian, run by CTranslate2."""
