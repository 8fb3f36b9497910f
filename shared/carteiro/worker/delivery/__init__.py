"""Delivery from fetched records to confirmed replies: no request is lost, and no request is paid twice."""
