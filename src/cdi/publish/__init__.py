"""Publish a version by one rename, and say who may see which part of it."""
