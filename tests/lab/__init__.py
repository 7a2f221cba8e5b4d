"""Real CRI-O nodes and a real registry on one machine; see README.md in this folder."""
