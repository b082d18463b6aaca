#!/usr/bin/env python3
"""Writes fnmatch.jsonl beside itself: patterns and texts with the answer of Python 3.11's fnmatch.fnmatchcase.

Each line is [pattern, [texts that match], [texts that do not]]. The seed is fixed: the same Python writes the same bytes.
"""

import fnmatch
import json
import pathlib
import random
import sys
import warnings

SEED = 20_240_611
PATTERNS = 9_000
TEXTS_EACH_WAY = 7

# Characters that mean something in a pattern, in a class or in a regular expression, and their neighbours.
PLAIN = "aabbcz:/.- \n09Aé日🦀"
SPECIAL = "{},\\^!$()+|&~]#\u00e0\ud7fb\ue000"
CLASS = "abcmz09--!!]^[\\&~|#é日\n:-"

NAMED = [
    "", "*", "**", "***", "?", "??", "*?", "?*", "a", "a*", "*a", "*a*", "a**b", "a*?b", "[", "[!", "[]", "[!]", "[]]", "[!]]",
    "[]a]", "[!]a]", "[a-]", "[-a]", "[-]", "[--]", "[---]", "[----]", "[--0]", "[+--]", "[a--]", "[z-a]", "[!z-a]", "[z-a]*",
    "[a-a]", "[a-b-c]", "[a-c-e]", "[a-c-e-g]", "[c-a-e]", "[e-c-a]", "[!a-c]", "[!-a]", "[!a-]", "[!-]", "[!--]", "[^a]", "[!^a]",
    "[a^]", "[[a]", "[[]", "[]-a]", "[]-!]", "[]-!!a]", "[z-a!b]", "[z-a!-c]", "[z-a!--x]", "[z-a!]", "[z-a^b]", "[z-a[b]",
    "[z-az-a]", "[az-ab]", "[z-ab-a]", "[z-ay-bx-c]", "[z-a!y-b]", "[!!]", "[!!a]", "[!z-a!b]", "[a&&b]", "[a||b]", "[a~~b]",
    "[\\]", "[\\-a]", "[a\\-z]", "[\\d]", "[!\\]", "[a-\\]", "[\\-^]", "[\n]", "[!\n]", "[\ud7fb-\ue000]", "[é-日]", "a[b", "a[!b", "a]b",
    "a[[b]c", "{a,b}", "a{b,c}d", "\\*", "\\?", "\\[a]", "a\\", "*:*:*", "repo:*", "mcp:**", "data:read:?", "data:read:*", "*\n", "?\n?",
]


def character_class(rng):
    body = "".join(rng.choice(CLASS) for _ in range(rng.choice((1, 1, 2, 3, 3, 3, 4, 5, 6, 7, 8))))
    return "[" + rng.choice(("", "", "!")) + body + rng.choice(("]", "]", "]", "]", "]", ""))


def random_pattern(rng):
    parts = []
    for _ in range(rng.choice((1, 1, 2, 3, 3, 4, 5, 6))):
        kind = rng.random()
        if kind < 0.25:
            parts.append(rng.choice(("*", "*", "*", "**")))
        elif kind < 0.38:
            parts.append("?")
        elif kind < 0.60:
            parts.append(character_class(rng))
        elif kind < 0.67:
            parts.append(rng.choice(SPECIAL))
        else:
            parts.append("".join(rng.choice(PLAIN) for _ in range(rng.randint(1, 3))))
    return "".join(parts)


def random_text(rng, longest):
    return "".join(rng.choice(PLAIN + SPECIAL) for _ in range(rng.randint(0, longest)))


def near_text(rng, pattern):
    """A text shaped like the pattern, so that about half of these match: guesses for the wildcards, then perhaps a slip."""
    out, i = [], 0
    while i < len(pattern):
        c, i = pattern[i], i + 1
        if c == "*":
            out.append(random_text(rng, 3))
        elif c == "?":
            out.append(rng.choice(PLAIN + SPECIAL))
        elif c == "[" and "]" in pattern[i + 1:]:
            end = pattern.index("]", i + 1)
            body = pattern[i:end]
            out.append(rng.choice(body + rng.choice(PLAIN + SPECIAL) + chr(max(0x20, ord(body[-1]) - 1))))
            i = end + 1
        else:
            out.append(c)
    text = "".join(out)
    slip = rng.random()
    at = rng.randrange(len(text) + 1)
    if slip < 0.1:
        return text[:at] + text[at + 1:]
    if slip < 0.2:
        return text[:at] + rng.choice(PLAIN) + text[at:]
    return text


def texts_for(rng, pattern):
    candidates = set()
    # A lone class is asked about every character that could matter to it.
    if pattern.startswith("[") and len(pattern) < 14 and "*" not in pattern:
        candidates.update(rng.sample(sorted(set(PLAIN + SPECIAL + CLASS)), 12))
        candidates.update(set(pattern))
    for _ in range(40):
        candidates.add(near_text(rng, pattern))
    candidates.add(pattern)
    for _ in range(4):
        candidates.add(random_text(rng, 4))
    candidates = [text for text in sorted(candidates) if not any(0xD800 <= ord(c) <= 0xDFFF for c in text)]
    rng.shuffle(candidates)
    return candidates


def main():
    assert sys.version_info[:2] == (3, 11), "another version of Python may translate patterns differently"
    warnings.simplefilter("ignore", FutureWarning)
    rng = random.Random(SEED)
    patterns = list(dict.fromkeys(NAMED))
    known = set(patterns)
    while len(patterns) < PATTERNS:
        pattern = random_pattern(rng)
        if pattern not in known and len(pattern) <= 40:
            known.add(pattern)
            patterns.append(pattern)
    lines, counts = [], [0, 0]
    for pattern in patterns:
        # A named pattern is asked about more texts.
        each_way = 40 if len(lines) < len(NAMED) else TEXTS_EACH_WAY
        sides = ([], [])
        for text in texts_for(rng, pattern):
            side = sides[0 if fnmatch.fnmatchcase(text, pattern) else 1]
            if len(side) < each_way:
                side.append(text)
        counts[0] += len(sides[0])
        counts[1] += len(sides[1])
        lines.append(json.dumps([pattern, *sides], ensure_ascii=False, separators=(",", ":")))
    target = pathlib.Path(__file__).with_suffix(".jsonl")
    target.write_text("\n".join(lines) + "\n", encoding="utf-8", newline="\n")
    print(f"{len(patterns)} patterns, {counts[0]} matches, {counts[1]} others, {target.stat().st_size} bytes")


main()
