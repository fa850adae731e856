"""Proposes an agency's folder from samples of its files; a person corrects what it proposes."""
