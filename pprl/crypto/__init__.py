"""Identities, containers and derived keys: the only importer of `cryptography`.

One suite, fixed by the format's version; nothing is negotiated. What is signed and sealed is `pprl.protocol`'s
to say, what a receiver must check the container's. Nothing here opens a file by name; the only files that it
writes are anonymous temporary ones, and they hold ciphertext.
"""
