"""Every document that crosses an organisation's boundary, one module each.

Pure: bytes in, frozen values out. No files, clock, randomness or cryptographic primitives here; a digest
is the one exception, because a document is named by its SHA-256.
"""
