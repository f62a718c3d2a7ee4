"""The `codeplan` command."""
