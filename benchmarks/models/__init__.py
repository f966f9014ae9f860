"""What is measured: bundles, and model files made by anyone; and how each of them is asked."""
