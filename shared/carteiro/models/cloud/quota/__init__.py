"""Rate of calls within a model's quota. Other workers share the quota, without communication between the workers."""

from carteiro.models.cloud.quota.controller import QuotaCall, QuotaController
from carteiro.models.cloud.quota.queue import Permit, Quota

__all__ = ["Permit", "Quota", "QuotaCall", "QuotaController"]
