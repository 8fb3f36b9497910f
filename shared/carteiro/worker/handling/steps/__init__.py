"""The steps of the pipeline, one in each module. A step calls the next one, or answers, or raises."""
