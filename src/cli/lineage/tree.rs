//! Tokens as the service lists them, drawn as a tree.

use std::collections::HashMap;

use serde_json::Value;

use super::super::output::{printable, text};

/// A token with everything above and below it.
pub(super) struct Tree<'a> {
    root: &'a Value,
    asked_for: &'a str,
    /// By the parent's id.
    children: HashMap<&'a str, Vec<&'a Value>>,
}

/// How a tree is drawn.
struct Strokes {
    child: &'static str,
    last_child: &'static str,
    beside: &'static str,
    below_last: &'static str,
    asked_for: &'static str,
}

const BOX: Strokes = Strokes {
    child: "├─ ",
    last_child: "└─ ",
    beside: "│  ",
    below_last: "   ",
    asked_for: "  ◀",
};
const ASCII: Strokes = Strokes {
    child: "|- ",
    last_child: "`- ",
    beside: "|  ",
    below_last: "   ",
    asked_for: "  <",
};

impl<'a> Tree<'a> {
    /// The tree of a token, of its ancestors with the parent first, and of its descendants.
    pub(super) fn new(token: &'a Value, ancestors: &'a [Value], descendants: &'a [Value]) -> Self {
        let mut children: HashMap<&str, Vec<&Value>> = HashMap::new();
        let root = ancestors.last().unwrap_or(token);
        // The way down from the root, then what hangs below the token.
        for one in ancestors.iter().rev().skip(1).chain([token]).chain(descendants) {
            if !std::ptr::eq(one, root) {
                children.entry(text(one, "parent_jti")).or_default().push(one);
            }
        }
        Self {
            root,
            asked_for: text(token, "jti"),
            children,
        }
    }

    /// The tree as text, without a line break at its end.
    pub(super) fn draw(mut self, ascii: bool) -> String {
        let strokes = if ascii { ASCII } else { BOX };
        let mut drawn = String::new();
        let root = self.root;
        self.draw_below(root, "", "", &strokes, &mut drawn);
        drawn.truncate(drawn.trim_end().len());
        drawn
    }

    /// Draws a token and what is below it. Children are taken when they are drawn, so that even a list with a circle in it ends.
    fn draw_below(&mut self, token: &'a Value, first: &str, further: &str, strokes: &Strokes, drawn: &mut String) {
        let mark = if text(token, "jti") == self.asked_for {
            strokes.asked_for
        } else {
            ""
        };
        drawn.push_str(&format!("{first}{}{mark}\n", describe(token)));
        let children = self.children.remove(text(token, "jti")).unwrap_or_default();
        let count = children.len();
        for (place, child) in children.into_iter().enumerate() {
            let is_last = place + 1 == count;
            let stroke = if is_last { strokes.last_child } else { strokes.child };
            let below = if is_last { strokes.below_last } else { strokes.beside };
            self.draw_below(
                child,
                &format!("{further}{stroke}"),
                &format!("{further}{below}"),
                strokes,
                drawn,
            );
        }
    }
}

/// `agent code-review-agent  019c…  active until 2026-03-03T00:00:00Z`
fn describe(token: &Value) -> String {
    let names = ["name", "environment", "agent_id", "session_id", "event_id"];
    let name = names.iter().map(|name| text(token, name)).find(|name| !name.is_empty());
    let status = text(token, "status");
    let until = if status == "active" { "until" } else { "expires" };
    let described = format!(
        "{} {}  {}  {status} {until} {}",
        text(token, "type"),
        name.unwrap_or_default(),
        text(token, "jti"),
        text(token, "expires_at"),
    );
    printable(&described)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn token(kind: &str, jti: &str, parent: Option<&str>) -> Value {
        json!({"type": kind, "jti": jti, "parent_jti": parent, "status": "active", "name": format!("n{jti}"), "expires_at": "T"})
    }

    #[test]
    fn every_token_stands_below_its_parent() {
        let ancestors = [token("bearer", "b", Some("a")), token("app", "a", None)];
        let own = token("agent", "c", Some("b"));
        let below = [
            token("subagent", "d", Some("c")),
            token("session", "e", Some("d")),
            token("session", "f", Some("c")),
        ];
        assert_eq!(
            Tree::new(&own, &ancestors, &below).draw(false),
            "app na  a  active until T\n\
             └─ bearer nb  b  active until T\n   \
                └─ agent nc  c  active until T  ◀\n      \
                   ├─ subagent nd  d  active until T\n      \
                   │  └─ session ne  e  active until T\n      \
                   └─ session nf  f  active until T"
        );
        let ascii = Tree::new(&own, &ancestors, &below).draw(true);
        assert!(ascii.is_ascii() && ascii.lines().count() == 6, "{ascii}");
        assert!(ascii.contains("      |  `- session ne"), "{ascii}");
        assert_eq!(Tree::new(&own, &[], &[]).draw(false), "agent nc  c  active until T  ◀");
    }

    #[test]
    fn a_circle_ends() {
        let own = token("agent", "c", Some("d"));
        let below = [token("subagent", "d", Some("c")), token("subagent", "c", Some("d"))];
        assert_eq!(Tree::new(&own, &[], &below).draw(false).lines().count(), 3);
    }
}
