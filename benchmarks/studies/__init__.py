"""Scripts that repeat our claims: each writes its figures to a file, with the command that made them."""
