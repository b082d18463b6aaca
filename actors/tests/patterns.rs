//! Patterns mean what other implementations of the same language say they mean.

use countersign_actors::rbac::Pattern;
use countersign_actors::rbac::pattern::Compiled;
use globset::GlobBuilder;
use proptest::prelude::*;

/// Patterns, texts that match and texts that do not, as Python decided (`corpus/fnmatch.py`).
const CORPUS: &str = include_str!("corpus/fnmatch.jsonl");

#[test]
fn every_answer_of_python_is_ours() -> Result<(), serde_json::Error> {
    let (mut matches, mut others) = (0_usize, 0_usize);
    let mut differences = Vec::new();
    for line in CORPUS.lines() {
        let (pattern, matching, other): (String, Vec<String>, Vec<String>) = serde_json::from_str(line)?;
        let compiled = Compiled::new(&pattern);
        matches += matching.len();
        others += other.len();
        let missed = matching
            .iter()
            .filter(|text| !compiled.matches(text))
            .map(|text| (text, true));
        let invented = other
            .iter()
            .filter(|text| compiled.matches(text))
            .map(|text| (text, false));
        for (text, expected) in missed.chain(invented) {
            differences.push(format!("{pattern:?} on {text:?}: Python says {expected}"));
        }
    }
    assert_eq!(differences, Vec::<String>::new());
    assert!(
        matches > 50_000 && others > 50_000,
        "{matches} matches and {others} others are too few"
    );
    Ok(())
}

/// Pieces of patterns that mean the same to `globset`, on ASCII, with literal separators and escapes switched off.
/// Two stars in a row are left out: they cross directories there. So are the bytes that would be braces or classes.
fn ascii_pattern() -> impl Strategy<Value = String> {
    let piece = prop_oneof![
        "[a-c:/.]{1,3}",
        Just("*".to_owned()),
        Just("?".to_owned()),
        "\\[[a-c]-[c-f]\\]",
        "\\[!?[a-c:.]{1,3}\\]"
    ];
    prop::collection::vec(piece, 1..8)
        .prop_map(|pieces| pieces.concat())
        .prop_filter("two stars in a row", |text| !text.contains("**"))
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(4_096))]

    #[test]
    fn globset_agrees_on_ascii(text in "[a-d:/.]{0,8}", pattern in ascii_pattern()) {
        let glob = GlobBuilder::new(&pattern).literal_separator(false).backslash_escape(false).build();
        let glob = glob.map_err(|error| TestCaseError::fail(error.to_string()))?.compile_matcher();
        let ours = Pattern::parse(&pattern).map_err(|error| TestCaseError::fail(error.to_string()))?;
        prop_assert_eq!(ours.matches(&text), glob.is_match(&text));
    }
}
