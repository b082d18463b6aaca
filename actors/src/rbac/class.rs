//! The `[…]` of a pattern, read exactly as Python 3.11's `fnmatch.translate` and `re` read it together.

/// A set of characters.
///
/// INVARIANT (class ranges): inclusive, sorted, and no two touch, so that `contains` may search them by halves.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Class {
    ranges: Box<[(char, char)]>,
}

/// One piece of a class after Python's clean-up: a character, or a hyphen that joins its neighbours to a range.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Piece {
    Char(char),
    Joint,
}

impl Piece {
    /// The character that this piece is where it joins nothing.
    const fn literal(self) -> char {
        match self {
            Self::Char(c) => c,
            Self::Joint => '-',
        }
    }
}

impl Class {
    /// Reads what stands between the brackets.
    ///
    /// Negation is decided *after* empty ranges are removed, because Python does it so: `[z-a!b]` is `[!b]` there.
    pub(super) fn parse(content: &str) -> Self {
        let pieces = pieces(&without_empty_ranges(split_at_joints(content)));
        match pieces.split_first() {
            Some((Piece::Char('!'), rest)) => Self {
                ranges: complement(&union(rest)),
            },
            _ => Self { ranges: union(&pieces) },
        }
    }

    /// Whether the character is in the set.
    pub(super) fn contains(&self, c: char) -> bool {
        let at = self.ranges.partition_point(|&(_, high)| high < c);
        self.ranges.get(at).is_some_and(|&(low, _)| low <= c)
    }

    /// Whether all characters of these ranges are in the set.
    pub(super) fn contains_all(&self, ranges: &[(char, char)]) -> bool {
        ranges.iter().all(|&(low, high)| {
            let at = self.ranges.partition_point(|&(_, end)| end < low);
            self.ranges
                .get(at)
                .is_some_and(|&(start, end)| start <= low && high <= end)
        })
    }

    /// The set as sorted inclusive ranges.
    pub(super) fn ranges(&self) -> &[(char, char)] {
        &self.ranges
    }
}

/// Cuts the content at every hyphen that makes a range; the hyphens that remain inside the chunks are ordinary characters.
fn split_at_joints(content: &str) -> Vec<Vec<char>> {
    let content: Vec<char> = content.chars().collect();
    let slice = |from: usize, to: usize| content.get(from..to).unwrap_or_default().to_vec();
    let mut chunks = Vec::new();
    let mut start = 0;
    // The first character of the set, and the one right after a range, cannot be a joint.
    let mut search_from = if content.first() == Some(&'!') { 2 } else { 1 };
    while let Some(joint) = (search_from..content.len()).find(|&at| content.get(at) == Some(&'-')) {
        chunks.push(slice(start, joint));
        start = joint + 1;
        search_from = joint + 3;
    }
    let last = slice(start, content.len());
    match chunks.last_mut() {
        Some(previous) if last.is_empty() => previous.push('-'),
        _ => chunks.push(last),
    }
    chunks
}

/// Takes out ranges that run backwards, with both their ends, from the last to the first.
fn without_empty_ranges(mut chunks: Vec<Vec<char>>) -> Vec<Vec<char>> {
    let Some(mut right) = chunks.pop() else { return chunks };
    let mut kept = Vec::new();
    while let Some(mut left) = chunks.pop() {
        if left.last() > right.first() {
            left.pop();
            left.extend(right.into_iter().skip(1));
        } else {
            kept.push(right);
        }
        right = left;
    }
    kept.push(right);
    kept.reverse();
    kept
}

/// Puts the joints back between the chunks.
fn pieces(chunks: &[Vec<char>]) -> Vec<Piece> {
    let mut pieces = Vec::new();
    for (index, chunk) in chunks.iter().enumerate() {
        if index > 0 {
            pieces.push(Piece::Joint);
        }
        pieces.extend(chunk.iter().copied().map(Piece::Char));
    }
    pieces
}

/// The characters that the pieces name.
fn union(pieces: &[Piece]) -> Box<[(char, char)]> {
    let mut ranges = Vec::new();
    let mut pieces = pieces.iter().copied().peekable();
    while let Some(piece) = pieces.next() {
        // A joint at the very start joins nothing: it stands there when what it joined was the `!` (`[z-a!-c]`).
        let low = piece.literal();
        match pieces.next_if_eq(&Piece::Joint).and_then(|_| pieces.next()) {
            Some(high) => ranges.push((low, high.literal())),
            None => ranges.push((low, low)),
        }
    }
    merged(ranges)
}

/// Sorts ranges and joins those that overlap or touch.
fn merged(mut ranges: Vec<(char, char)>) -> Box<[(char, char)]> {
    ranges.retain(|(low, high)| low <= high);
    ranges.sort_unstable();
    let mut merged: Vec<(char, char)> = Vec::new();
    for (low, high) in ranges {
        match merged.last_mut() {
            Some((_, end)) if successor(*end).is_none_or(|next| low <= next) => *end = high.max(*end),
            _ => merged.push((low, high)),
        }
    }
    merged.into()
}

/// Every character that is in none of the ranges, which must be sorted and disjoint.
fn complement(ranges: &[(char, char)]) -> Box<[(char, char)]> {
    let mut gaps = Vec::new();
    let mut next_free = Some('\0');
    for &(low, high) in ranges {
        if let (Some(start), Some(end)) = (next_free, predecessor(low))
            && start <= end
        {
            gaps.push((start, end));
        }
        next_free = successor(high);
    }
    gaps.extend(next_free.map(|start| (start, char::MAX)));
    gaps.into()
}

/// The next Unicode scalar value, past the surrogates.
pub(super) fn successor(c: char) -> Option<char> {
    (c..=char::MAX).nth(1)
}

/// The previous Unicode scalar value, past the surrogates.
fn predecessor(c: char) -> Option<char> {
    ('\0'..=c).nth_back(1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn assert_ranges(content: &str, expected: &[(char, char)]) {
        assert_eq!(Class::parse(content).ranges(), expected, "[{content}]");
    }

    #[test]
    fn ordinary_classes() {
        assert_ranges("abc", &[('a', 'c')]);
        assert_ranges("cax", &[('a', 'a'), ('c', 'c'), ('x', 'x')]);
        assert_ranges("a-cb-e", &[('a', 'e')]);
        assert_ranges("!b-y", &[('\0', 'a'), ('z', char::MAX)]);
    }

    #[test]
    fn hyphens_and_brackets_at_the_edges_are_characters() {
        assert_ranges("-", &[('-', '-')]);
        assert_ranges("a-", &[('-', '-'), ('a', 'a')]);
        assert_ranges("-a", &[('-', '-'), ('a', 'a')]);
        assert_ranges("!-a", &[('\0', ','), ('.', '`'), ('b', char::MAX)]);
        assert_ranges("--0", &[('-', '0')]);
        assert_ranges("]a", &[(']', ']'), ('a', 'a')]);
        assert_ranges("]-a", &[(']', 'a')]);
        assert_ranges("^a", &[('^', '^'), ('a', 'a')]);
        assert_ranges("a-b-c", &[('-', '-'), ('a', 'c')]);
    }

    #[test]
    fn backward_ranges_vanish() {
        assert_ranges("z-a", &[]);
        assert_ranges("!z-a", &[('\0', char::MAX)]);
        assert_ranges("xz-ay", &[('x', 'y')]);
    }

    #[test]
    fn a_backward_range_may_uncover_a_negation() {
        assert_ranges("z-a!b", &[('\0', 'a'), ('c', char::MAX)]);
        assert_ranges("z-a!-c", &[('\0', ','), ('.', 'b'), ('d', char::MAX)]);
        assert_ranges("z-a!", &[('\0', char::MAX)]);
    }

    #[test]
    fn the_complement_steps_over_the_surrogates() {
        assert_ranges("!\u{e000}", &[('\0', '\u{d7ff}'), ('\u{e001}', char::MAX)]);
        assert_ranges("\u{d7ff}\u{e000}", &[('\u{d7ff}', '\u{e000}')]);
        assert_ranges("!\0-\u{10ffff}", &[]);
    }
}
