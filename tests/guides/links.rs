//! What the pages point at: files, headings, endpoints.

use std::fs;
use std::path::{Path, PathBuf};

use crate::root;

const ROUTES: &str = concat!(
    include_str!("../../src/routes.rs"),
    include_str!("../../src/routes/permissions.rs")
);

/// Every page of the repository for readers, from its root.
fn pages() -> Vec<PathBuf> {
    fn walk(directory: &Path, pages: &mut Vec<PathBuf>) {
        for entry in fs::read_dir(directory).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                walk(&path, pages);
            } else if path.extension().is_some_and(|extension| extension == "md") {
                pages.push(path);
            }
        }
    }
    let mut pages = vec![root().join("README.md"), root().join("ARCHITECTURE.md")];
    walk(&root().join("docs"), &mut pages);
    pages
}

/// The text outside fences.
fn prose(page: &Path) -> String {
    let text = fs::read_to_string(page).unwrap();
    let mut is_fenced = false;
    let mut kept = String::new();
    for line in text.lines() {
        if line.starts_with("```") {
            is_fenced = !is_fenced;
        } else if !is_fenced {
            kept.push_str(line);
            kept.push('\n');
        }
    }
    kept
}

/// The targets of all links in a text.
fn targets(text: &str) -> impl Iterator<Item = &str> {
    text.split("](")
        .skip(1)
        .filter_map(|rest| Some(rest.split_once(')')?.0))
}

/// The names by which a page's headings are linked to.
fn anchors(page: &Path) -> Vec<String> {
    let headings = prose(page);
    let headings = headings.lines().filter(|line| line.starts_with('#'));
    let words = headings.map(|line| line.trim_start_matches('#').trim().to_lowercase().replace(' ', "-"));
    words
        .map(|name| {
            name.chars()
                .filter(|c| c.is_alphanumeric() || "-_".contains(*c))
                .collect()
        })
        .collect()
}

#[test]
fn every_link_leads_to_a_file_and_a_heading() {
    let mut followed = 0;
    for page in pages() {
        let text = prose(&page);
        for target in targets(&text).filter(|target| !target.contains("://")) {
            let (path, heading) = target.split_once('#').unwrap_or((target, ""));
            let file = if path.is_empty() {
                page.clone()
            } else {
                page.parent().unwrap().join(path)
            };
            assert!(file.exists(), "{}: {target}", page.display());
            assert!(
                heading.is_empty() || anchors(&file).iter().any(|anchor| anchor == heading),
                "{}: {target}",
                page.display()
            );
            followed += 1;
        }
    }
    assert!(followed > 20, "the pages point at each other");
}

#[test]
fn every_page_is_in_the_index_and_the_index_is_found_from_the_readme() {
    let docs = root().join("docs");
    let index = prose(&docs.join("README.md"));
    let listed: Vec<PathBuf> = targets(&index).map(|target| docs.join(target)).collect();
    for page in pages().iter().filter(|page| page.starts_with(&docs)) {
        let is_index = *page == docs.join("README.md");
        assert!(
            is_index || listed.contains(page),
            "{} is not in docs/README.md",
            page.display()
        );
    }
    let readme = prose(&root().join("README.md"));
    assert!(targets(&readme).any(|target| target == "docs/README.md"));
}

#[test]
fn every_endpoint_that_a_page_names_is_served() {
    let mut named = 0;
    for page in pages() {
        let text = fs::read_to_string(&page).unwrap();
        for quoted in text.split('`') {
            let Some((method, path)) = quoted.split_once(' ') else {
                continue;
            };
            let is_call = ["GET", "POST", "PUT", "PATCH", "DELETE"].contains(&method) && path.starts_with('/');
            if !is_call || path.contains(char::is_whitespace) {
                continue;
            }
            let path = path.split('?').next().unwrap();
            let call = format!(".{}(", method.to_ascii_lowercase());
            let route = format!("at(\"{path}\")");
            let is_served = ROUTES
                .split("service(")
                .any(|service| service.contains(&route) && service.contains(&call));
            assert!(is_served, "{}: {method} {path}", page.display());
            named += 1;
        }
    }
    assert!(named > 60, "the pages name endpoints");
}
