"""What every stage stands on: errors, files, optional packages, processes of our own. Imports nothing of ours."""
