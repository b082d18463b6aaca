//! Which trace a request belongs to (W3C Trace Context), and where its span is sent.
//!
//! - [`TraceContext`]: what `traceparent` said, and what the answer says in `traceresponse`
//! - [`export`]: spans to a collector, if the build has it and the configuration names one

use actix_web::http::header::{HeaderMap, HeaderName, HeaderValue};
use uuid::Uuid;

pub mod export;

/// The header that a caller names its trace in (W3C Trace Context, section 3.2).
pub static TRACEPARENT: HeaderName = HeaderName::from_static("traceparent");
/// The header that the answer names the trace and the request's span in (W3C Trace Context Level 3 draft).
pub static TRACERESPONSE: HeaderName = HeaderName::from_static("traceresponse");

/// Characters of a `traceparent` of version 00.
const LENGTH: usize = 55;
/// The bit of the flags that says that the caller may have recorded its span.
const SAMPLED: u8 = 1;

/// Which of the traces that begin here are exported.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Sampling {
    /// Of 100 traces; nothing if no span is exported, whatever a caller says.
    percent: Option<u8>,
}

impl Sampling {
    /// No span is exported.
    pub const OFF: Self = Self { percent: None };

    /// So many of 100 traces that begin here are exported, and every one that its caller records.
    pub const fn percent(percent: u8) -> Self {
        Self { percent: Some(percent) }
    }

    fn takes(self, trace: Uuid) -> bool {
        // The last bytes of a random identifier are random; its version and its variant stand before them.
        let (_, low) = trace.as_u64_pair();
        self.percent.is_some_and(|percent| low % 100 < u64::from(percent))
    }
}

/// The trace that a request belongs to, and the request's own span in it.
#[derive(Clone, Debug)]
pub struct TraceContext {
    /// As `traceresponse` says it: ASCII, of a fixed form.
    text: String,
    parent: Option<String>,
    sampled: bool,
}

impl TraceContext {
    /// Continues the caller's trace, or begins one if the header is missing, given twice, or not what the recommendation says.
    pub fn of(headers: &HeaderMap, sampling: Sampling) -> Self {
        let span = Uuid::new_v4();
        let mut values = headers.get_all(&TRACEPARENT);
        match (values.next().and_then(Remote::parse), values.next()) {
            (Some(remote), None) => {
                let sampled = remote.sampled && sampling != Sampling::OFF;
                Self::new(remote.trace, Some(remote.parent.to_owned()), span, sampled)
            }
            _ => {
                let trace = Uuid::new_v4();
                let mut buffer = Uuid::encode_buffer();
                let text = trace.simple().encode_lower(&mut buffer);
                Self::new(text, None, span, sampling.takes(trace))
            }
        }
    }

    fn new(trace: &str, parent: Option<String>, span: Uuid, sampled: bool) -> Self {
        let mut buffer = Uuid::encode_buffer();
        let span = span.simple().encode_lower(&mut buffer);
        let mut text = String::with_capacity(LENGTH);
        text.push_str("00-");
        text.push_str(trace);
        text.push('-');
        // The half that holds the variant is never zero, which no span may be.
        text.push_str(span.get(16..).unwrap_or_default());
        text.push_str(if sampled { "-01" } else { "-00" });
        Self { text, parent, sampled }
    }

    /// The trace: 32 hexadecimal digits.
    pub fn trace_id(&self) -> &str {
        self.text.get(3..35).unwrap_or_default()
    }

    /// The request's span: 16 hexadecimal digits.
    pub fn span_id(&self) -> &str {
        self.text.get(36..52).unwrap_or_default()
    }

    /// The caller's span, if the caller named its trace.
    pub fn parent_id(&self) -> Option<&str> {
        self.parent.as_deref()
    }

    /// Whether the request's span is exported.
    pub const fn is_sampled(&self) -> bool {
        self.sampled
    }

    /// The value of `traceresponse`.
    pub fn answer(&self) -> Option<HeaderValue> {
        HeaderValue::from_str(&self.text).ok()
    }
}

/// What a `traceparent` said.
struct Remote<'h> {
    trace: &'h str,
    parent: &'h str,
    sampled: bool,
}

impl<'h> Remote<'h> {
    /// Section 3.2.2 and, for a version to come, 4.3 of the recommendation.
    fn parse(value: &'h HeaderValue) -> Option<Self> {
        let text = value.to_str().ok()?;
        let (known, more) = text.split_at_checked(LENGTH)?;
        let mut parts = known.split('-');
        let version = hex(parts.next()?, 2)?;
        let trace = hex(parts.next()?, 32)?;
        let parent = hex(parts.next()?, 16)?;
        let flags = hex(parts.next()?, 2)?;
        let is_whole = parts.next().is_none() && (more.is_empty() || (version != "00" && more.starts_with('-')));
        let is_zero = |text: &str| text.bytes().all(|byte| byte == b'0');
        if version == "ff" || !is_whole || is_zero(trace) || is_zero(parent) {
            return None;
        }
        let sampled = u8::from_str_radix(flags, 16).ok()? & SAMPLED != 0;
        Some(Self { trace, parent, sampled })
    }
}

/// So many lower-case hexadecimal digits.
fn hex(text: &str, digits: usize) -> Option<&str> {
    let is_hex = |byte: u8| matches!(byte, b'0'..=b'9' | b'a'..=b'f');
    (text.len() == digits && text.bytes().all(is_hex)).then_some(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    const TRACE: &str = "4bf92f3577b34da6a3ce929d0e0e4736";
    const PARENT: &str = "00f067aa0ba902b7";

    fn headers(values: &[&str]) -> HeaderMap {
        let mut headers = HeaderMap::new();
        for value in values {
            headers.append(TRACEPARENT.clone(), HeaderValue::from_str(value).unwrap());
        }
        headers
    }

    fn of(values: &[&str]) -> TraceContext {
        TraceContext::of(&headers(values), Sampling::percent(0))
    }

    #[test]
    fn a_caller_s_trace_is_continued_under_a_span_of_its_own() {
        let first = of(&[&format!("00-{TRACE}-{PARENT}-01")]);
        assert_eq!((first.trace_id(), first.parent_id()), (TRACE, Some(PARENT)));
        assert!(first.is_sampled());
        assert_eq!(hex(first.span_id(), 16), Some(first.span_id()));
        assert_ne!(first.span_id(), PARENT);
        assert_eq!(
            first.answer().unwrap(),
            format!("00-{TRACE}-{}-01", first.span_id()).as_str()
        );
        let second = of(&[&format!("00-{TRACE}-{PARENT}-00")]);
        assert!(!second.is_sampled() && second.span_id() != first.span_id());
        // Flags of a version to come, and what it may append.
        assert!(of(&[&format!("cc-{TRACE}-{PARENT}-ff-what-comes")]).is_sampled());
        assert_eq!(of(&[&format!("cc-{TRACE}-{PARENT}-fe")]).trace_id(), TRACE);
    }

    #[test]
    fn whatever_the_recommendation_does_not_allow_begins_a_new_trace() {
        let (zero_trace, zero_parent) = ("0".repeat(32), "0".repeat(16));
        for bad in [
            String::new(),
            "00".to_owned(),
            format!("ff-{TRACE}-{PARENT}-01"),
            format!("00-{TRACE}-{PARENT}-01-more"),
            format!("00-{TRACE}-{PARENT}-1"),
            format!("00-{TRACE}-{PARENT}-0g"),
            format!("cc-{TRACE}-{PARENT}-01more"),
            format!("0-{TRACE}0-{PARENT}-01"),
            format!("00-{}-{PARENT}-01", TRACE.to_uppercase()),
            format!("00-{zero_trace}-{PARENT}-01"),
            format!("00-{TRACE}-{zero_parent}-01"),
            format!("00-{TRACE}_{PARENT}-01"),
            format!(" 00-{TRACE}-{PARENT}-01"),
        ] {
            let begun = of(&[&bad]);
            assert_eq!(begun.parent_id(), None, "{bad}");
            assert_eq!(hex(begun.trace_id(), 32), Some(begun.trace_id()));
            assert!(begun.trace_id() != TRACE && !begun.is_sampled(), "{bad}");
        }
        let good = format!("00-{TRACE}-{PARENT}-01");
        assert_ne!(
            of(&[&good, &good]).trace_id(),
            TRACE,
            "two headers leave open which one counts"
        );
    }

    #[test]
    fn sampling_takes_the_part_it_is_told_and_nothing_when_it_is_off() {
        let taken = |sampling| {
            (0..1_000)
                .filter(|_| TraceContext::of(&headers(&[]), sampling).is_sampled())
                .count()
        };
        assert_eq!(taken(Sampling::percent(100)), 1_000);
        assert_eq!((taken(Sampling::percent(0)), taken(Sampling::OFF)), (0, 0));
        assert!((300..700).contains(&taken(Sampling::percent(50))));
        let recorded = headers(&[&format!("00-{TRACE}-{PARENT}-01")]);
        assert!(!TraceContext::of(&recorded, Sampling::OFF).is_sampled());
    }
}
