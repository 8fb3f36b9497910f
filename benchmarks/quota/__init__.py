"""How much of a provider's quota is used, and at what price in refusals: simulated, and over HTTP beside others."""
