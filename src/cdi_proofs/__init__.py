"""What is proved of the product on the simulated force, whose truth is known.

Each proof is a command: `.venv/bin/python -m cdi_proofs --help`.
"""
