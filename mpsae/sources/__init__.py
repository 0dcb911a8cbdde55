"""The sources, one family per file; a new file here is found without any other edit."""
