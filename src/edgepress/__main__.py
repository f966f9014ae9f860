"""`python -m edgepress` is the `edgepress` command."""

from edgepress.cli import main

main()
