//! Patterns laid out for a walk, and where such a walk may be in all of them at once.

use super::pattern::{Compiled, Token};

/// One position in a pattern: before one of its tokens that are not stars, or at its end.
#[derive(Debug)]
pub(super) struct Position {
    /// What must be read to go on to the next position; `None` at the end, where the pattern accepts.
    pub(super) token: Option<Token>,
    /// Whether a star stands here, so that any character may be read while staying.
    pub(super) stays: bool,
    /// The first position of the same pattern.
    pattern_start: u32,
}

impl Position {
    /// Whether every text is accepted from here.
    const fn accepts_everything(&self) -> bool {
        self.stays && self.token.is_none()
    }
}

/// Patterns laid out one behind the other.
#[derive(Debug, Default)]
pub(super) struct Positions(Vec<Position>);

impl Positions {
    /// Appends a pattern and says where it starts.
    pub(super) fn lay_out(&mut self, pattern: &Compiled) -> u32 {
        self.lay_out_tokens(pattern.tokens())
    }

    /// Appends the tokens of a pattern and says where it starts.
    pub(super) fn lay_out_tokens(&mut self, tokens: impl IntoIterator<Item = Token>) -> u32 {
        let pattern_start = self.end();
        let mut stays = false;
        for token in tokens {
            if token == Token::Star {
                stays = true;
            } else {
                self.0.push(Position {
                    token: Some(token),
                    stays,
                    pattern_start,
                });
                stays = false;
            }
        }
        self.0.push(Position {
            token: None,
            stays,
            pattern_start,
        });
        pattern_start
    }

    /// The number the next position will have. Saturates far above what the limits on policies let through.
    fn end(&self) -> u32 {
        u32::try_from(self.0.len()).unwrap_or(u32::MAX)
    }

    /// The positions from this number on.
    pub(super) fn from(&self, number: u32) -> impl Iterator<Item = &Position> {
        self.0.iter().skip(usize::try_from(number).unwrap_or(usize::MAX))
    }

    /// The position of this number.
    pub(super) fn at(&self, number: u32) -> Option<&Position> {
        self.0.get(usize::try_from(number).ok()?)
    }
}

/// The positions that the parents may be in after the same text, in rising order.
///
/// INVARIANT (one star a pattern): of one pattern it holds no position before the last one that stays. What is accepted from
/// an earlier position ends with what is accepted from there, and the star takes whatever came before that. Without this rule
/// `*a*b*c*` alone would be in exponentially many sets of positions.
#[derive(Debug, Default, PartialEq, Eq, Hash)]
pub(super) struct Front {
    pub(super) positions: Vec<u32>,
    /// Whether one of them is the end of its pattern.
    pub(super) accepts: bool,
    /// Whether every text is accepted from one of them.
    pub(super) accepts_everything: bool,
}

impl Front {
    /// Adds a position, in rising order.
    pub(super) fn add(&mut self, number: u32, position: &Position) {
        if position.stays {
            while self
                .positions
                .last()
                .is_some_and(|&last| last >= position.pattern_start)
            {
                self.positions.pop();
            }
        } else if self.positions.last() == Some(&number) {
            return;
        }
        self.positions.push(number);
        self.accepts |= position.token.is_none();
        self.accepts_everything |= position.accepts_everything();
    }

    /// Where the parents may be after one more character.
    pub(super) fn after(&self, c: char, parents: &Positions) -> Self {
        let mut next = Self::default();
        for &number in &self.positions {
            let Some(position) = parents.at(number) else { continue };
            if position.stays {
                next.add(number, position);
            }
            if position.token.as_ref().is_some_and(|token| token.takes(c))
                && let Some(following) = parents.at(number + 1)
            {
                next.add(number + 1, following);
            }
        }
        next
    }
}
