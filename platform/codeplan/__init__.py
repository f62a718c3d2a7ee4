"""CodePLAN on Ray: distil an LLM's plans into a small code model, and measure what they are worth."""

__version__ = "0.1.0"
