//! One value as it came: raw JSON, or the text of a query or form.

use std::borrow::Cow;
use std::fmt::Display;
use std::ops::RangeInclusive;

use serde::Deserialize;
use serde_json::value::RawValue;

/// A reading, or the message for the field.
type Reading<T> = Result<T, Cow<'static, str>>;

#[derive(Clone)]
pub(super) enum Value<'a> {
    Json(&'a RawValue),
    Text(Cow<'a, str>),
}

/// JSON text that needs no unescaping is borrowed.
#[derive(Deserialize)]
struct JsonText<'a>(#[serde(borrow)] Cow<'a, str>);

impl<'a> Value<'a> {
    pub(super) fn is_null(&self) -> bool {
        matches!(self, Self::Json(raw) if raw.get() == "null")
    }

    pub(super) fn is_empty_text(&self) -> bool {
        match self {
            Self::Json(raw) => raw.get() == r#""""#,
            Self::Text(text) => text.is_empty(),
        }
    }

    /// Zero in any spelling: `0`, `-0`, `0.0`, `0e7`.
    pub(super) fn is_zero(&self) -> bool {
        self.digits()
            .is_some_and(|digits| digits.parse::<f64>().is_ok_and(|number| number == 0.0))
    }

    pub(super) fn text(self) -> Reading<Cow<'a, str>> {
        match self {
            Self::Text(text) => Ok(text),
            Self::Json(raw) if raw.get().starts_with('"') => match serde_json::from_str(raw.get()) {
                Ok(JsonText(text)) => Ok(text),
                // Half of a surrogate pair is the one thing that well-formed JSON text cannot mean.
                Err(_) => Err("must be text in Unicode".into()),
            },
            Self::Json(_) => Err("must be text".into()),
        }
    }

    pub(super) fn integer<T>(&self, range: &RangeInclusive<T>) -> Reading<T>
    where
        T: TryFrom<i64> + PartialOrd + Display,
    {
        let Some(digits) = self.digits() else {
            return Err("must be a whole number".into());
        };
        if !digits.trim_start_matches('-').bytes().all(|byte| byte.is_ascii_digit()) {
            return Err("must be a whole number, without fraction or exponent".into());
        }
        // A number too large for its type is a number out of range.
        let number = digits.parse::<i64>().ok().and_then(|number| T::try_from(number).ok());
        number
            .filter(|number| range.contains(number))
            .ok_or_else(|| out_of_range(range))
    }

    pub(super) fn number(&self, range: &RangeInclusive<f64>) -> Reading<f64> {
        let number = self.digits().and_then(|digits| digits.parse::<f64>().ok());
        let number = number.ok_or(Cow::Borrowed("must be a number"))?;
        if range.contains(&number) {
            Ok(number)
        } else {
            Err(out_of_range(range))
        }
    }

    pub(super) fn boolean(&self) -> Reading<bool> {
        let text = match self {
            Self::Json(raw) => raw.get(),
            Self::Text(text) => text,
        };
        text.parse().map_err(|_| "must be true or false".into())
    }

    pub(super) fn json(&self) -> Reading<&'a RawValue> {
        match self {
            Self::Json(raw) => Ok(raw),
            Self::Text(_) => Err("cannot be given as a parameter".into()),
        }
    }

    /// The text of a number by JSON's grammar, which a parameter has to follow loosely.
    fn digits(&self) -> Option<&str> {
        let text = match self {
            Self::Json(raw) => raw.get(),
            Self::Text(text) => text,
        };
        let start = text.strip_prefix('-').unwrap_or(text);
        // `inf`, `nan` and `+1` would parse as numbers in Rust and are none in JSON.
        start.starts_with(|first: char| first.is_ascii_digit()).then_some(text)
    }
}

fn out_of_range<T: Display>(range: &RangeInclusive<T>) -> Cow<'static, str> {
    format!("must be between {} and {}", range.start(), range.end()).into()
}
