"""Replies that are given again: to equal requests, and to requests that come twice."""
