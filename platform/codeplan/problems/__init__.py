"""Problems: readers of known formats, and MiniAPPS, which is generated."""
