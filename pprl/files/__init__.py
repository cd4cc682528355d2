"""Reading departments' tables and writing files whole or not at all; the only package here that touches disks."""
