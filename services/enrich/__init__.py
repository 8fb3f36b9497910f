"""The enrich service: the worker of the enrichments that CARTEIRO_ENRICHMENTS names."""
