//! The text of `/metrics`, read by the rules of OpenMetrics.

use std::collections::{BTreeMap, BTreeSet};

/// Every sample by its name with its labels, as it was written.
#[derive(Clone, Debug)]
pub(crate) struct Page {
    pub(crate) samples: BTreeMap<String, f64>,
    pub(crate) types: BTreeMap<String, String>,
}

impl Page {
    /// Reads a text, and fails on what the format does not allow.
    #[track_caller]
    pub(crate) fn parse(text: &str) -> Self {
        let body = text.strip_suffix("# EOF\n").unwrap();
        let mut page = Self {
            samples: BTreeMap::new(),
            types: BTreeMap::new(),
        };
        let mut family = String::new();
        let mut helped = BTreeSet::new();
        for line in body.lines() {
            if let Some(rest) = line.strip_prefix("# HELP ") {
                let (name, help) = rest.split_once(' ').unwrap();
                assert!(!help.is_empty() && helped.insert(name.to_owned()), "{line}");
            } else if let Some(rest) = line.strip_prefix("# TYPE ") {
                let (name, kind) = rest.split_once(' ').unwrap();
                assert!(["counter", "gauge", "histogram"].contains(&kind), "{line}");
                let before = page.types.insert(name.to_owned(), kind.to_owned());
                assert!(before.is_none() && helped.contains(name), "{line}");
                family = name.to_owned();
            } else {
                page.add(line, &family);
            }
        }
        page.check_histograms();
        page
    }

    fn add(&mut self, line: &str, family: &str) {
        let (series, value) = line.rsplit_once(' ').unwrap();
        let (name, labels) = series.split_once('{').unwrap_or((series, "}"));
        let suffixes: &[&str] = match self.types[family].as_str() {
            "counter" => &["_total"],
            "gauge" => &[""],
            _ => &["_bucket", "_count", "_sum"],
        };
        let suffix = name.strip_prefix(family);
        assert!(suffix.is_some_and(|suffix| suffixes.contains(&suffix)), "{line}");
        for label in labels.strip_suffix('}').unwrap().split_terminator(',') {
            let (name, value) = label.split_once('=').unwrap();
            assert!(name.bytes().all(|byte| byte.is_ascii_lowercase()), "{line}");
            assert!(
                value.len() >= 2 && value.starts_with('"') && value.ends_with('"'),
                "{line}"
            );
        }
        let value: f64 = value.parse().unwrap();
        assert!(self.samples.insert(series.to_owned(), value).is_none(), "twice: {line}");
    }

    /// Buckets only grow, and the last holds all.
    fn check_histograms(&self) {
        let buckets = self.samples.iter().filter(|(series, _)| series.contains("le=\"+Inf\""));
        let mut found = 0;
        for (series, all) in buckets {
            let (name, labels) = series.split_once("_bucket{").unwrap();
            let labels = labels.replace("le=\"+Inf\"", "");
            let labels = labels.trim_end_matches('}').trim_matches(',');
            let count = match labels {
                "" => format!("{name}_count"),
                labels => format!("{name}_count{{{labels}}}"),
            };
            assert_eq!(self.value(&count), *all, "{series}");
            found += 1;
        }
        assert!(found > 0);
    }

    /// The value of a series; 0 for one that is not there.
    pub(crate) fn value(&self, series: &str) -> f64 {
        self.samples.get(series).copied().unwrap_or_default()
    }

    /// What became more since `before`, and by how much. Times, sizes, what the operating system tells, and the reading of the page
    /// itself are left out.
    pub(crate) fn since(&self, before: &Self) -> BTreeMap<&str, f64> {
        let noise = |series: &str| {
            series.starts_with("process_")
                || series.starts_with("countersign_storage_")
                || series.starts_with("countersign_journal_written_bytes")
                || series.contains("route=\"/metrics\"")
                || series.contains("_sum")
                || series.contains("_bucket")
        };
        let changes = self
            .samples
            .iter()
            .map(|(series, value)| (series.as_str(), value - before.value(series)));
        changes
            .filter(|(series, change)| *change != 0.0 && !noise(series))
            .collect()
    }
}
