//! Inclusion of patterns as languages: whatever a child's pattern matches, some pattern of its parent must match.
//!
//! Comparing texts is not enough: `data:read:*` would "match" under `data:read:?`, and `a?` is inside `a[!x]` and `ax`
//! together though inside neither of them. So the child is read as an automaton, the parents as one automaton that is in
//! many places at once, and both are walked together until the child accepts a text that no parent does, or nothing new
//! can be reached. The alphabet is every Unicode scalar value, but at each place only those characters need trying at which
//! some token there begins or stops to match.
//!
//! In the worst case that walk is exponential, so it is paid for from a [`Budget`]. An empty budget is a refusal.

use std::collections::HashSet;
use std::rc::Rc;

use super::class::successor;
use super::pattern::{Compiled, Pattern, Token};

/// What reaching one place of the walk costs beside the positions in it: keeping it, and finding it again.
const PLACE_STEPS: usize = 16;

/// The work that may still be done. One step is one position of one pattern looked at once.
#[derive(Debug)]
pub struct Budget {
    allowance: u32,
    left: u32,
}

/// The budget was spent before the question was answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("too much work")]
pub struct Exhausted;

impl Budget {
    /// A budget of so many steps.
    pub const fn new(steps: u32) -> Self {
        Self {
            allowance: steps,
            left: steps,
        }
    }

    /// The steps that were spent so far: never more than were given.
    pub const fn spent(&self) -> u32 {
        self.allowance - self.left
    }

    /// Pays before the work is done. What cannot be paid in full empties the budget, so that nothing is tried after it.
    fn spend(&mut self, steps: usize) -> Result<(), Exhausted> {
        match u32::try_from(steps).ok().and_then(|steps| self.left.checked_sub(steps)) {
            Some(left) => {
                self.left = left;
                Ok(())
            }
            None => {
                self.left = 0;
                Err(Exhausted)
            }
        }
    }
}

/// A pattern of the child that reaches further than its parent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Uncovered<'a> {
    /// The pattern.
    pub pattern: &'a Pattern,
    /// A text that it matches and no pattern of the parent does.
    pub example: String,
}

/// A pattern of the child at which the budget ended. It must be treated as not covered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Undecided<'a> {
    /// The pattern.
    pub pattern: &'a Pattern,
}

/// The first of the child's patterns that matches a text which no pattern of the parent matches.
///
/// A pattern that stands among the parent's as it is costs nothing, so equal lists pass under any budget.
///
/// # Errors
///
/// When the budget ends first. Refuse then.
pub fn first_uncovered<'a>(
    children: &'a [Pattern],
    parents: &[Pattern],
    budget: &mut Budget,
) -> Result<Option<Uncovered<'a>>, Undecided<'a>> {
    // Most lists are covered at sight, and then the parents need not be laid out at all.
    let mut laid_out = None;
    for pattern in children.iter().filter(|child| !is_covered_at_sight(child, parents)) {
        let parents = laid_out.get_or_insert_with(|| Parents::new(parents));
        match parents.example_outside(pattern.compiled(), budget) {
            Ok(None) => {}
            Ok(Some(example)) => return Ok(Some(Uncovered { pattern, example })),
            Err(Exhausted) => return Err(Undecided { pattern }),
        }
    }
    Ok(None)
}

/// Whether the same pattern, or a plain text with a star after it that the child starts with, is among the parent's.
/// Not paid for: the limits of a policy bound it to a few thousand comparisons of short texts.
fn is_covered_at_sight(child: &Pattern, parents: &[Pattern]) -> bool {
    parents.iter().any(|parent| {
        parent == child
            || (parent.compiled().is_open_ended() && child.compiled().prefix().starts_with(parent.compiled().prefix()))
    })
}

/// One position in a pattern: before one of its tokens that are not stars, or at its end.
#[derive(Debug)]
struct Position {
    /// What must be read to go on to the next position; `None` at the end, where the pattern accepts.
    token: Option<Token>,
    /// Whether a star stands here, so that any character may be read while staying.
    stays: bool,
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
struct Positions(Vec<Position>);

impl Positions {
    /// Appends a pattern and says where it starts.
    fn lay_out(&mut self, pattern: &Compiled) -> u32 {
        let pattern_start = self.end();
        let mut stays = false;
        for token in pattern.tokens() {
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

    fn at(&self, position: u32) -> Option<&Position> {
        self.0.get(usize::try_from(position).ok()?)
    }
}

/// The positions that the parents may be in after the same text, in rising order.
///
/// INVARIANT (one star a pattern): of one pattern it holds no position before the last one that stays. What is accepted from
/// an earlier position ends with what is accepted from there, and the star takes whatever came before that. Without this rule
/// `*a*b*c*` alone would be in exponentially many sets of positions.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Front {
    positions: Vec<u32>,
    accepts: bool,
    accepts_everything: bool,
}

impl Front {
    /// Adds a position, in rising order.
    fn add(&mut self, number: u32, position: &Position) {
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
    fn after(&self, c: char, parents: &Positions) -> Self {
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

/// The patterns of the parent, ready to be walked.
struct Parents<'p> {
    positions: Positions,
    /// Each pattern that matches anything at all, and where it starts.
    starts: Vec<(&'p Compiled, u32)>,
}

impl<'p> Parents<'p> {
    /// Not paid for: it is done once, and copies at most the bytes of one policy.
    fn new(patterns: &'p [Pattern]) -> Self {
        let mut positions = Positions::default();
        let matching = patterns
            .iter()
            .map(Pattern::compiled)
            .filter(|pattern| !pattern.matches_nothing());
        let starts = matching.map(|pattern| (pattern, positions.lay_out(pattern))).collect();
        Self { positions, starts }
    }

    /// A text that the child matches and none of the parents does, or `None` when there is none.
    fn example_outside(&self, child: &Compiled, budget: &mut Budget) -> Result<Option<String>, Exhausted> {
        if child.matches_nothing() {
            return Ok(None);
        }
        let mut front = Front::default();
        budget.spend(self.starts.len())?;
        for &(parent, start) in &self.starts {
            // Two patterns whose plain texts in front disagree have no text in common.
            let agree = parent.prefix().starts_with(child.prefix()) || child.prefix().starts_with(parent.prefix());
            if agree && let Some(position) = self.positions.at(start) {
                front.add(start, position);
            }
        }
        let mut child_positions = Positions::default();
        child_positions.lay_out(child);
        budget.spend(child_positions.0.len())?;
        Walk {
            child: child_positions,
            parents: &self.positions,
            places: Vec::new(),
            seen: HashSet::new(),
            budget,
        }
        .run(front)
    }
}

/// Where the child is, where its parents may be after the same text, and how the walk came there.
struct Place {
    child: u32,
    front: Rc<Front>,
    from: Option<(usize, char)>,
}

/// The walk over all places that can be reached, the nearest first.
struct Walk<'w> {
    child: Positions,
    parents: &'w Positions,
    places: Vec<Place>,
    seen: HashSet<(u32, Box<[u32]>)>,
    budget: &'w mut Budget,
}

impl Walk<'_> {
    fn run(mut self, front: Front) -> Result<Option<String>, Exhausted> {
        self.reach(0, &Rc::new(front), None)?;
        let mut index = 0;
        while let Some(place) = self.places.get(index) {
            let (number, front) = (place.child, Rc::clone(&place.front));
            let Some(position) = self.child.at(number) else {
                return Ok(None);
            };
            let (stays, token) = (position.stays, position.token.clone());
            if front.positions.is_empty() || (token.is_none() && !front.accepts) {
                return Ok(Some(self.text_through(index)));
            }
            // Going on to a position that stays is as good as staying here: the star there takes what this one would.
            let next_stays = self.child.at(number + 1).is_some_and(|next| next.stays);
            for c in self.characters(stays, token.as_ref(), &front)? {
                let goes_on = token.as_ref().is_some_and(|token| token.takes(c));
                self.budget.spend(1 + front.positions.len())?;
                let next = Rc::new(front.after(c, self.parents));
                if next.accepts_everything {
                    continue;
                }
                if goes_on {
                    self.reach(number + 1, &next, Some((index, c)))?;
                }
                if stays && !(goes_on && next_stays) {
                    self.reach(number, &next, Some((index, c)))?;
                }
            }
            index += 1;
        }
        Ok(None)
    }

    /// Notes a place, unless it is known.
    fn reach(&mut self, child: u32, front: &Rc<Front>, from: Option<(usize, char)>) -> Result<(), Exhausted> {
        self.budget.spend(PLACE_STEPS + front.positions.len())?;
        if !front.accepts_everything && self.seen.insert((child, front.positions.clone().into())) {
            self.places.push(Place {
                child,
                front: Rc::clone(front),
                from,
            });
        }
        Ok(())
    }

    /// One character for each way in which the child's token and the parents' positions can tell characters apart.
    /// Of those that the child cannot read here, none.
    fn characters(&mut self, stays: bool, token: Option<&Token>, front: &Front) -> Result<Vec<char>, Exhausted> {
        if !stays && let Some(Token::Char(c)) = token {
            return Ok(vec![*c]);
        }
        let mut starts = vec!['\0'];
        token.into_iter().for_each(|token| push_starts(token, &mut starts));
        for &number in &front.positions {
            if let Some(token) = self.parents.at(number).and_then(|position| position.token.as_ref()) {
                push_starts(token, &mut starts);
            }
        }
        self.budget.spend(front.positions.len() + starts.len())?;
        starts.sort_unstable();
        starts.dedup();
        let next_starts = starts.iter().skip(1).map(|&next| Some(next)).chain([None]);
        let mut characters: Vec<char> = starts
            .iter()
            .zip(next_starts)
            .map(|(&from, to)| readable(from, to))
            .collect();
        characters.retain(|&c| stays || token.is_some_and(|token| token.takes(c)));
        Ok(characters)
    }

    /// The text that led to a place, and on from there the shortest that the child accepts.
    fn text_through(&self, index: usize) -> String {
        let mut text = Vec::new();
        let mut at = self.places.get(index);
        let end = at.map_or(0, |place| place.child);
        while let Some((from, c)) = at.and_then(|place| place.from) {
            text.push(c);
            at = self.places.get(from);
        }
        text.reverse();
        let rest = self.child.0.iter().skip(usize::try_from(end).unwrap_or(usize::MAX));
        text.extend(rest.filter_map(|position| position.token.as_ref().and_then(first_taken)));
        text.into_iter().collect()
    }
}

/// Notes the characters at which a token begins to match, and those at which it stops.
fn push_starts(token: &Token, starts: &mut Vec<char>) {
    let mut push = |low: char, high: char| {
        starts.push(low);
        starts.extend(successor(high));
    };
    match token {
        Token::Char(c) => push(*c, *c),
        Token::Class(class) => class.ranges().iter().for_each(|&(low, high)| push(low, high)),
        Token::Any | Token::Star => {}
    }
}

/// Some character from `from` up to but not including `to`: one that can be shown to a person, if an easy one is there.
fn readable(from: char, to: Option<char>) -> char {
    ['x', '0', '-']
        .into_iter()
        .find(|&c| from <= c && to.is_none_or(|to| c < to))
        .unwrap_or(from)
}

/// Some character that the token takes.
fn first_taken(token: &Token) -> Option<char> {
    match token {
        Token::Char(c) => Some(*c),
        Token::Any => Some('x'),
        Token::Class(class) => class
            .ranges()
            .first()
            .map(|&(low, high)| readable(low, successor(high))),
        Token::Star => None,
    }
}
