"""From what people have to what the contract states."""
