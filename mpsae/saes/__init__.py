"""The variants, one file each; a new file here is found without any other edit."""
