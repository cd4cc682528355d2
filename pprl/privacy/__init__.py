"""Attacks on our own encodings: whom could somebody name that holds them, and knows this or that?

Departments run these before anything leaves. Each attacker is a module of its own, pure, with the paper that it is
from: it takes what is seen and what is known, and says who it takes each record to be. Nothing here opens a file, and
nothing here knows the truth: `measure` sets what an attacker says against it afterwards.
"""
