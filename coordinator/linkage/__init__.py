"""What the coordinator computes: arrays in, arrays out, nothing stored, sent or drawn at random.

`compare` is the matcher's: encodings to candidate pairs. `threshold` and `solve` are the key issuer's:
candidate pairs to a threshold with estimates of how good it is, and to clusters.
"""
