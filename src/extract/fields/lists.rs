//! Lists and nested objects.

use std::borrow::Cow;
use std::fmt;
use std::fmt::Display;
use std::ops::RangeInclusive;

use serde::de::{Deserializer, IgnoredAny, SeqAccess, Visitor};
use serde_json::value::RawValue;

use super::value::Value;
use super::{Fields, PROBLEMS_MAX, object};
use crate::error::FieldError;

impl<'a> Fields<'a> {
    /// A list of texts with at most `max` items.
    pub fn optional_text_list(&mut self, name: &'static str, max: usize) -> Option<Vec<Cow<'a, str>>> {
        self.list(name, 0..=max, false, |value| value.text())
    }

    /// A list of texts, each read by `parse`; the message for an item names its place.
    pub fn optional_parsed_list<T, E: Display>(
        &mut self,
        name: &'static str,
        max: usize,
        parse: impl Fn(&str) -> Result<T, E>,
    ) -> Option<Vec<T>> {
        self.list(name, 0..=max, false, |value| {
            value
                .text()
                .and_then(|text| parse(&text).map_err(|error| error.to_string().into()))
        })
    }

    /// A list that must be given, whose items are judged one by one elsewhere: see [`Fields::from_raw`].
    pub fn required_raw_list(
        &mut self,
        name: &'static str,
        length: RangeInclusive<usize>,
    ) -> Option<Vec<&'a RawValue>> {
        self.list(name, length, true, |value| value.json())
    }

    /// A nested object, read by `read`; its unknown fields count as this object's problems.
    pub fn optional_object<T>(&mut self, name: &'static str, read: impl FnOnce(&mut Fields<'a>) -> T) -> Option<T> {
        let value = self.take(name)?;
        self.nested(&value, self.field(name).into_owned(), read)
    }

    /// A nested object that must be given.
    pub fn required_object<T>(&mut self, name: &'static str, read: impl FnOnce(&mut Fields<'a>) -> T) -> Option<T> {
        let value = self.take_required(name)?;
        self.nested(&value, self.field(name).into_owned(), read)
    }

    /// A list of objects, each read by `read`.
    pub fn optional_list_of_objects<T>(
        &mut self,
        name: &'static str,
        max: usize,
        read: impl FnMut(&mut Fields<'a>) -> T,
    ) -> Option<Vec<T>> {
        let items = self.list(name, 0..=max, false, |value| value.json())?;
        self.objects(name, &items, read)
    }

    /// A list of objects that must be given.
    pub fn required_list_of_objects<T>(
        &mut self,
        name: &'static str,
        length: RangeInclusive<usize>,
        read: impl FnMut(&mut Fields<'a>) -> T,
    ) -> Option<Vec<T>> {
        let items = self.required_raw_list(name, length)?;
        self.objects(name, &items, read)
    }

    /// One item of a [`Self::required_raw_list`] as an object of its own, whose problems are its own as well.
    ///
    /// # Errors
    /// 400 `malformed_json`, as for [`Fields::from_json`].
    pub fn from_raw(raw: &'a RawValue) -> Result<Self, crate::error::ApiError> {
        Self::from_json(raw.get().as_bytes())
    }

    fn objects<T>(
        &mut self,
        name: &'static str,
        items: &[&'a RawValue],
        mut read: impl FnMut(&mut Fields<'a>) -> T,
    ) -> Option<Vec<T>> {
        let field = self.field(name);
        let places = items.iter().enumerate();
        places
            .map(|(at, item)| self.nested(&Value::Json(item), format!("{field}[{at}]"), &mut read))
            .collect()
    }

    fn nested<T>(&mut self, value: &Value<'a>, field: String, read: impl FnOnce(&mut Fields<'a>) -> T) -> Option<T> {
        let raw = match value.json() {
            Ok(raw) if raw.get().starts_with('{') => raw,
            _ => {
                self.note(field, "must be an object".into());
                return None;
            }
        };
        let entries = match object::read(raw.get().as_bytes()) {
            Ok(entries) => entries,
            Err(error) => {
                self.note(field, error.detail);
                return None;
            }
        };
        let mut nested = Fields {
            form: self.form,
            prefix: format!("{field}."),
            ..Fields::new(entries, false)
        };
        nested.problems = std::mem::take(&mut self.problems);
        let read = read(&mut nested);
        nested.note_unknown();
        self.problems = nested.problems;
        Some(read)
    }

    fn list<T>(
        &mut self,
        name: &'static str,
        length: RangeInclusive<usize>,
        required: bool,
        read: impl Fn(Value<'a>) -> Result<T, Cow<'static, str>>,
    ) -> Option<Vec<T>> {
        let value = if required {
            self.take_required(name)?
        } else {
            self.take(name)?
        };
        let items = match value.json() {
            Ok(raw) if raw.get().starts_with('[') => items(raw, *length.end()),
            _ => {
                self.reject(name, "must be a list");
                return None;
            }
        };
        let Some(items) = items.filter(|items| length.contains(&items.len())) else {
            self.reject(name, format!("must have {} to {} items", length.start(), length.end()));
            return None;
        };
        let mut values = Vec::with_capacity(items.len());
        for (at, item) in items.into_iter().enumerate() {
            match read(Value::Json(item)) {
                Ok(value) => values.push(value),
                Err(message) => self.note(format!("{}[{at}]", self.field(name)), message),
            }
        }
        Some(values)
    }

    fn note(&mut self, field: String, message: Cow<'static, str>) {
        if self.problems.len() < PROBLEMS_MAX {
            self.problems.push(FieldError {
                field: field.into(),
                message,
            });
        }
    }
}

/// The items of a list, or nothing when there are more than `max`: then they are not even kept.
fn items(raw: &RawValue, max: usize) -> Option<Vec<&RawValue>> {
    // The syntax has been checked when the value was set apart.
    serde_json::Deserializer::from_str(raw.get())
        .deserialize_seq(ItemsVisitor { max })
        .ok()
        .flatten()
}

struct ItemsVisitor {
    max: usize,
}

impl<'de> Visitor<'de> for ItemsVisitor {
    type Value = Option<Vec<&'de RawValue>>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a list")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Self::Value, A::Error> {
        let mut items = Vec::new();
        while let Some(item) = list.next_element::<&'de RawValue>()? {
            if items.len() >= self.max {
                while list.next_element::<IgnoredAny>()?.is_some() {}
                return Ok(None);
            }
            items.push(item);
        }
        Ok(Some(items))
    }
}
