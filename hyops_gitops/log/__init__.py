"""The signed log: entries, verification, keys, history, pages, and the writer."""
