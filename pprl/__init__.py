"""What a department, an auditor or a research environment runs, and the shared protocol."""

__version__ = "0.1.0"
