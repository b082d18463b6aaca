//! Walks over many tokens, cut into slices that fit into a turn.

use super::state::State;
use super::tokens::Token;
use crate::clock::UnixMillis;
use crate::id::Jti;
use crate::limits::WALKED_PER_TURN_MAX;

/// One slice of a walk.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Slice<T> {
    /// What was found.
    pub found: Vec<T>,
    /// The token that the next slice begins after; `None` at the end.
    pub next: Option<Jti>,
}

/// The unexpired tokens derived from `root`, parents before their children, `root` not among them. `after` is where the last slice
/// ended; `None` if that has expired and been forgotten meanwhile, so that the walk has to begin anew.
pub fn descendants(state: &State, root: Jti, after: Option<Jti>, now: UnixMillis) -> Option<Slice<Jti>> {
    let mut slice = Slice {
        found: Vec::new(),
        next: None,
    };
    // With the root everything below it has expired.
    let Some(root) = state.tokens.get(root) else {
        return Some(slice);
    };
    let mut current = after.map_or(Some(root), |after| state.tokens.get(after))?;
    for _ in 0..WALKED_PER_TURN_MAX {
        let Some(next) = state.tokens.next_in_subtree(root, current) else {
            return Some(slice);
        };
        if !next.is_expired(now) {
            slice.found.push(next.jti);
        }
        current = next;
    }
    slice.next = Some(current.jti);
    Some(slice)
}

/// The tokens after `after`, in the order of their identifiers, for which `pick` finds something; at most `at_most` of them.
pub fn tokens<T>(
    state: &State,
    after: Option<Jti>,
    at_most: usize,
    mut pick: impl FnMut(&Token) -> Option<T>,
) -> Slice<T> {
    let mut slice = Slice {
        found: Vec::new(),
        next: None,
    };
    let mut visited = 0;
    let mut tokens = state.tokens.after(after).peekable();
    while let Some(token) = tokens.next() {
        visited += 1;
        slice.found.extend(pick(token));
        if (visited == WALKED_PER_TURN_MAX || slice.found.len() == at_most) && tokens.peek().is_some() {
            slice.next = Some(token.jti);
            break;
        }
    }
    slice
}
