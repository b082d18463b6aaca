//! Whatever a child may do, its parent may do: policies, requests and texts are made at random, the texts from the patterns.

use std::cell::Cell;
use std::sync::Arc;

use countersign_actors::rbac::narrowing::{Uncovered, first_uncovered};
use countersign_actors::rbac::{Budget, Pattern, Policy, PolicyRequest, evaluate};
use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};

/// Few characters, so that random patterns meet.
const LETTERS: [char; 4] = ['a', 'b', ':', 'x'];

/// One element of a pattern, from which both its text and texts that it matches are made.
#[derive(Clone, Debug, PartialEq)]
enum Piece {
    Char(char),
    Any,
    Star,
    /// One of these, or one of the others.
    Class(bool, Vec<char>),
}

impl Piece {
    fn write(&self) -> String {
        match self {
            Self::Char(c) => c.to_string(),
            Self::Any => "?".to_owned(),
            Self::Star => "*".to_owned(),
            Self::Class(negated, chars) => {
                format!(
                    "[{}{}]",
                    if *negated { "!" } else { "" },
                    chars.iter().collect::<String>()
                )
            }
        }
    }

    /// Something that the piece matches, and what comes closest where a class leaves none of the letters.
    fn sample(&self, choice: &mut impl FnMut(usize) -> usize) -> String {
        let mut one_of = |letters: &[char]| {
            letters
                .get(choice(letters.len()))
                .map(char::to_string)
                .unwrap_or_default()
        };
        match self {
            Self::Char(c) => c.to_string(),
            Self::Any => one_of(&LETTERS),
            Self::Class(false, chars) => one_of(chars),
            Self::Class(true, chars) => one_of(&LETTERS.into_iter().filter(|c| !chars.contains(c)).collect::<Vec<_>>()),
            Self::Star => (0..choice(4))
                .map(|_| LETTERS.get(choice(4)).copied().unwrap_or('a'))
                .collect(),
        }
    }

    /// A piece that matches less, if there is one; the piece itself otherwise.
    fn narrower(&self, choice: &mut impl FnMut(usize) -> usize) -> Vec<Self> {
        match (self, choice(3)) {
            (Self::Any, 0) => vec![Self::Class(true, vec!['a'])],
            (Self::Any | Self::Class(..), 1) => self.sample(choice).chars().map(Self::Char).collect(),
            (Self::Star, 0) => self.sample(choice).chars().map(Self::Char).collect(),
            (Self::Star, 1) => vec![Self::Star, Self::Any, Self::Star],
            _ => vec![self.clone()],
        }
    }
}

type Pieces = Vec<Piece>;

/// Patterns that match together what this one matches, and mostly not one of them alone.
fn split(pieces: &[Piece], choice: &mut impl FnMut(usize) -> usize) -> Vec<Pieces> {
    let at = choice(pieces.len());
    let parts = match pieces.get(at) {
        Some(Piece::Star) => vec![vec![], vec![Piece::Any, Piece::Star]],
        Some(Piece::Any | Piece::Class(true, _)) => [true, false]
            .map(|negated| vec![Piece::Class(negated, vec!['a', ':'])])
            .into(),
        Some(Piece::Class(false, chars)) => chars.iter().map(|c| vec![Piece::Char(*c)]).collect(),
        Some(Piece::Char(_)) | None => vec![vec![Piece::Any], vec![Piece::Star]],
    };
    let around = |part: Pieces| -> Pieces {
        let (before, after) = (pieces.iter().take(at), pieces.iter().skip(at + 1));
        before.cloned().chain(part).chain(after.cloned()).collect()
    };
    parts.into_iter().map(around).collect()
}

fn write(pieces: &[Piece]) -> String {
    pieces.iter().map(Piece::write).collect()
}

fn compile(list: &[Pieces]) -> Vec<Pattern> {
    list.iter().flat_map(|pieces| Pattern::parse(&write(pieces))).collect()
}

fn piece() -> impl Strategy<Value = Piece> {
    let letter = prop::sample::select(&LETTERS[..]);
    let letters = prop::sample::subsequence(&LETTERS[..], 1..=3);
    prop_oneof![
        3 => letter.prop_map(Piece::Char),
        1 => Just(Piece::Any),
        2 => Just(Piece::Star),
        1 => (any::<bool>(), letters).prop_map(|(negated, chars)| Piece::Class(negated, chars)),
    ]
}

fn pieces() -> impl Strategy<Value = Pieces> {
    prop::collection::vec(piece(), 1..6)
}

/// A source of choices that a failing case can be shrunk by.
fn chooser(seed: &[usize]) -> impl FnMut(usize) -> usize {
    let mut next = seed.iter().cycle();
    move |below| next.next().map_or(0, |choice| choice % below.max(1))
}

fn seed() -> impl Strategy<Value = Vec<usize>> {
    prop::collection::vec(0..1_000_usize, 40)
}

fn runner() -> TestRunner {
    TestRunner::new(Config {
        cases: 4_000,
        failure_persistence: None,
        ..Config::default()
    })
}

fn all_texts(longest: usize) -> Vec<String> {
    let mut texts = vec![String::new()];
    let mut last = texts.clone();
    for _ in 0..longest {
        last = last
            .iter()
            .flat_map(|text| LETTERS.map(|c| format!("{text}{c}")))
            .collect();
        texts.extend(last.iter().cloned());
    }
    texts
}

#[test]
fn inclusion_is_decided_as_trying_every_short_text_would() {
    let texts = all_texts(6);
    let (covered, uncovered) = (Cell::new(0), Cell::new(0));
    let strategy = (pieces(), prop::collection::vec(pieces(), 1..5), 0..3_u8, seed());
    let answer = runner().run(&strategy, |(mut child, mut parents, related, seed)| {
        let mut choice = chooser(&seed);
        if related == 1 {
            child = parents
                .first()
                .into_iter()
                .flatten()
                .flat_map(|piece| piece.narrower(&mut choice))
                .collect();
        } else if related == 2 {
            parents = split(&child, &mut choice)
                .iter()
                .flat_map(|part| split(part, &mut choice))
                .collect();
        }
        let (children, parents) = (compile(&[child]), compile(&parents));
        let is_outside = |text: &str| {
            children.iter().any(|child| child.matches(text)) && !parents.iter().any(|parent| parent.matches(text))
        };
        match first_uncovered(&children, &parents, &mut Budget::new(10_000_000)) {
            Ok(None) => {
                covered.set(covered.get() + 1);
                prop_assert_eq!(texts.iter().find(|text| is_outside(text)), None);
            }
            Ok(Some(Uncovered { example, .. })) => {
                uncovered.set(uncovered.get() + 1);
                prop_assert!(is_outside(&example), "{:?} is no example", example);
            }
            Err(_) => prop_assert!(false, "too much work"),
        }
        Ok(())
    });
    assert_eq!(answer, Ok(()));
    assert!(
        covered.get() > 500 && uncovered.get() > 500,
        "{} covered, {} not",
        covered.get(),
        uncovered.get()
    );
}

/// A request as pieces, so that texts can be made from it.
#[derive(Clone, Debug, Default, PartialEq)]
struct Wish {
    allowed_actions: Option<Vec<Pieces>>,
    denied_actions: Option<Vec<Pieces>>,
    allowed_resources: Option<Vec<Pieces>>,
    denied_resources: Option<Vec<Pieces>>,
    max_sensitivity_level: Option<u8>,
}

impl Wish {
    fn request(&self) -> PolicyRequest {
        let compile = |list: &Option<Vec<Pieces>>| list.as_deref().map(compile);
        PolicyRequest {
            allowed_actions: compile(&self.allowed_actions),
            denied_actions: compile(&self.denied_actions),
            allowed_resources: compile(&self.allowed_resources),
            denied_resources: compile(&self.denied_resources),
            max_sensitivity_level: self.max_sensitivity_level,
            max_risk_score: None,
        }
    }

    /// Every field: this wish's own, or what it would inherit.
    fn over(self, parent: &Self) -> Self {
        Self {
            allowed_actions: self.allowed_actions.or_else(|| parent.allowed_actions.clone()),
            denied_actions: self.denied_actions.or_else(|| parent.denied_actions.clone()),
            allowed_resources: self.allowed_resources.or_else(|| parent.allowed_resources.clone()),
            denied_resources: self.denied_resources.or_else(|| parent.denied_resources.clone()),
            max_sensitivity_level: self.max_sensitivity_level.or(parent.max_sensitivity_level),
        }
    }

    /// Mostly a request that should pass: some allowed patterns made narrower, some denies added. Sometimes anything at all.
    fn child_of(parent: &Self, other: &Self, choice: &mut impl FnMut(usize) -> usize) -> Self {
        let mut wish = Self::default();
        let narrower =
            |own: &Option<Vec<Pieces>>, wild: &Option<Vec<Pieces>>, choice: &mut dyn FnMut(usize) -> usize| {
                let mut choice = choice;
                match choice(8) {
                    0 => None,
                    1 => wild.clone(),
                    _ => own.as_ref().map(|list| {
                        let kept = 1 + choice(list.len());
                        let narrower = |pieces: &Pieces, choice: &mut &mut dyn FnMut(usize) -> usize| -> Pieces {
                            pieces.iter().flat_map(|piece| piece.narrower(choice)).collect()
                        };
                        list.iter()
                            .take(kept)
                            .map(|pieces| narrower(pieces, &mut choice))
                            .collect()
                    }),
                }
            };
        wish.allowed_actions = narrower(&parent.allowed_actions, &other.allowed_actions, choice);
        wish.allowed_resources = narrower(&parent.allowed_resources, &other.allowed_resources, choice);
        let more = |own: &Option<Vec<Pieces>>, wild: &Option<Vec<Pieces>>, choice: usize| match choice {
            0 => None,
            1 => wild.clone(),
            _ => Some(own.iter().chain(wild).flatten().cloned().collect()),
        };
        wish.denied_actions = more(&parent.denied_actions, &other.denied_actions, choice(8));
        wish.denied_resources = more(&parent.denied_resources, &other.denied_resources, choice(8));
        wish.max_sensitivity_level = [None, Some(0), parent.max_sensitivity_level, Some(4)]
            .get(choice(4))
            .copied()
            .flatten();
        wish
    }

    /// Texts that the patterns of these lists match.
    fn samples(lists: [&Option<Vec<Pieces>>; 2], choice: &mut impl FnMut(usize) -> usize) -> Vec<String> {
        let patterns = lists.into_iter().flatten().flatten();
        let mut texts: Vec<String> = patterns
            .flat_map(|pieces| {
                (0..4)
                    .map(|_| pieces.iter().map(|piece| piece.sample(choice)).collect())
                    .collect::<Vec<_>>()
            })
            .collect();
        texts.push(String::new());
        texts
    }
}

fn wish() -> impl Strategy<Value = Wish> {
    let allowed = || prop::option::weighted(0.9, prop::collection::vec(pieces(), 1..4));
    let denied = || prop::option::weighted(0.7, prop::collection::vec(pieces(), 0..3));
    let level = prop::option::of(0..=4_u8);
    (allowed(), denied(), allowed(), denied(), level).prop_map(
        |(allowed_actions, denied_actions, allowed_resources, denied_resources, max_sensitivity_level)| Wish {
            allowed_actions,
            denied_actions,
            allowed_resources,
            denied_resources,
            max_sensitivity_level,
        },
    )
}

#[test]
fn no_descendant_may_do_what_an_ancestor_may_not() {
    let (narrowed, refused, allowed) = (Cell::new(0), Cell::new(0), Cell::new(0));
    let strategy = (wish(), prop::collection::vec((wish(), seed()), 3), seed());
    let answer = runner().run(&strategy, |(top, others, seed)| {
        let root = Policy::root(top.request()).map_err(|why| TestCaseError::fail(why.to_string()))?;
        let mut ancestors = vec![Arc::new(root)];
        let mut wish = top;
        for (other, seed) in others {
            let Some(parent) = ancestors.last() else { break };
            let asked = Wish::child_of(&wish, &other, &mut chooser(&seed));
            match parent.narrow(asked.request()) {
                Ok(child) => {
                    narrowed.set(narrowed.get() + usize::from(!Arc::ptr_eq(&child, parent)));
                    ancestors.push(child);
                    wish = asked.over(&wish);
                }
                Err(_) => refused.set(refused.get() + 1),
            }
        }
        let mut choice = chooser(&seed);
        let actions = Wish::samples([&wish.allowed_actions, &wish.denied_actions], &mut choice);
        let resources = Wish::samples([&wish.allowed_resources, &wish.denied_resources], &mut choice);
        for (action, resource, level) in requests(&actions, &resources) {
            let verdicts = ancestors
                .iter()
                .map(|policy| evaluate(policy, action, resource, level).is_allowed());
            // From the root down: once refused, always refused.
            let verdicts: Vec<bool> = verdicts.collect();
            allowed.set(allowed.get() + usize::from(verdicts.last() == Some(&true)));
            prop_assert!(
                verdicts.is_sorted_by(|above, below| above >= below),
                "{action:?} {resource:?} {level}: {verdicts:?}"
            );
        }
        Ok(())
    });
    assert_eq!(answer, Ok(()));
    let counts = (narrowed.get(), refused.get(), allowed.get());
    assert!(
        counts.0 > 2_000 && counts.1 > 500 && counts.2 > 10_000,
        "too few narrowed, refused, allowed: {counts:?}"
    );
}

/// Every action with every resource at every level.
fn requests<'a>(actions: &'a [String], resources: &'a [String]) -> impl Iterator<Item = (&'a str, &'a str, u8)> {
    let pairs = actions
        .iter()
        .flat_map(move |action| resources.iter().map(move |resource| (action, resource)));
    pairs.flat_map(|(action, resource)| [0, 2, 4].map(|level| (action.as_str(), resource.as_str(), level)))
}
