"""The used share of a provider's quota, and its cost in refusals: simulated, and over HTTP next to other clients."""
