import tomllib

from hypothesis import given
from hypothesis import strategies as st

from pprl.protocol.toml_lines import dotted, key_lines, line_of

TEXT = '''# first
a.b = 1
"x y".'z.w' = """
[not.a.table]
multi "" [ = #
"""""
[[party]]
id = "p" # [
roles = [ # c
  "a",
  "b", ["c",
   "d"],
]
[party.keys]
e = 1
[[party]]
features = [
  { identifier = "x", n = [1,
      2] },
  { identifier = "y" },
]
[[party.sub]]
q = ""
[[party.sub]]
k = \'\'\'
it\'s [ \'\'\'
z = 0
'''

LINES = {
    ("a", "b"): 2,
    ("x y", "z.w"): 3,
    ("party",): 7,
    ("party", 0): 7,
    ("party", 0, "id"): 8,
    ("party", 0, "roles"): 9,
    ("party", 0, "roles", 0): 10,
    ("party", 0, "roles", 1): 11,
    ("party", 0, "roles", 2, 0): 11,
    ("party", 0, "roles", 2, 1): 12,
    ("party", 0, "keys"): 14,
    ("party", 0, "keys", "e"): 15,
    ("party", 1): 16,
    ("party", 1, "features"): 17,
    ("party", 1, "features", 0): 18,
    ("party", 1, "features", 1): 20,
    ("party", 1, "sub", 0, "q"): 23,
    ("party", 1, "sub", 1): 24,
    ("party", 1, "sub", 1, "k"): 25,
    ("party", 1, "sub", 1, "z"): 27,
}


def test_each_key_table_and_element_is_found_on_its_line():
    found = key_lines(TEXT)
    assert {path: found.get(path) for path in LINES} == LINES
    assert ("not",) not in found


def test_a_path_that_is_not_there_takes_the_line_of_what_is_around_it():
    found = key_lines(TEXT)
    assert line_of(("party", 1, "features", 0, "n", 1), found) == 18
    assert line_of(("party", 0, "contact"), found) == 7
    assert line_of(("nowhere",), found) is None


def test_paths_read_as_people_write_them():
    assert dotted(("party", 0, "keys", "x_wing")) == "party[0].keys.x_wing"


@given(st.text(alphabet="ab.=\"'[]{},#\n 1\\", max_size=60))
def test_whatever_the_parser_accepts_is_read_without_fault(text):
    try:
        tree = tomllib.loads(text)
    except tomllib.TOMLDecodeError:
        return
    found = key_lines(text)
    assert {path[0] for path in found} == set(tree)
    assert all(1 <= line <= text.count("\n") + 1 for line in found.values())
