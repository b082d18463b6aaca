//! Typed, error-collecting takers over the fields of a JSON object, a query or a form.
//!
//! A handler takes every field that it knows, in the documented order, and then calls [`Fields::finish`], which reports
//! all problems at once, unknown fields included: a typo must not widen a token. Nothing is copied but escaped text.
//!
//! `required_*` returns `Option` as `optional_*` does: a problem is noted and `None` returned, so that the next fields
//! are judged as well; `finish` runs its closure only when there was no problem.

use std::borrow::Cow;
use std::fmt::Display;
use std::ops::RangeInclusive;

use serde_json::value::RawValue;

use super::percent;
use crate::error::{ApiError, FieldError};
use value::Value;

mod lists;
mod object;
mod value;

/// Fields in one object: the largest request of the contract has far fewer.
pub const FIELDS_MAX: usize = 64;
/// Problems in one answer.
const PROBLEMS_MAX: usize = 64;
/// Characters of an unknown field's name that an answer repeats whole: more than any field has, and fewer than any credential.
const NAME_SHOWN_CHARS_MAX: usize = 31;
/// Characters that an answer repeats of a longer name, which might be a credential in the wrong place.
const LONG_NAME_SHOWN_CHARS: usize = 12;

/// What counts as absent, and whether unknown fields matter. `null` is absent in every form.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Form {
    /// The documented form of the token family: a zero is out of range, an empty text is a text.
    #[default]
    Documented,
    /// The form of a client that sends its parent token in `Authorization` (tokens.md section 2): what it leaves
    /// unset arrives as `0` or as empty text.
    Authorization,
    /// The permission family: empty text is absent, unknown fields are ignored.
    Permissions,
}

struct Entry<'a> {
    name: Cow<'a, str>,
    /// Gone once it has been taken.
    value: Option<Value<'a>>,
    known: bool,
}

/// The fields of one object, and the problems found so far.
pub struct Fields<'a> {
    entries: Vec<Entry<'a>>,
    form: Form,
    /// A query or form: every value is text, and an empty one is absent.
    from_text: bool,
    /// Path of this object with its final dot, empty at the top.
    prefix: String,
    problems: Vec<FieldError>,
}

impl<'a> Fields<'a> {
    /// Reads a JSON object.
    ///
    /// # Errors
    /// 400 `malformed_json`: not JSON, not an object, a field twice, or more than [`FIELDS_MAX`] fields.
    pub fn from_json(bytes: &'a [u8]) -> Result<Self, ApiError> {
        Ok(Self::new(object::read(bytes)?, false))
    }

    /// Reads an `application/x-www-form-urlencoded` body.
    ///
    /// # Errors
    /// 400 `malformed_request`: not UTF-8, a broken escape, or more than [`FIELDS_MAX`] fields.
    pub fn from_form(bytes: &'a [u8]) -> Result<Self, ApiError> {
        let text = std::str::from_utf8(bytes).map_err(|_| ApiError::malformed_request("the form is not UTF-8"))?;
        Self::from_pairs(text)
    }

    /// Reads a query string, without its question mark.
    ///
    /// # Errors
    /// 400 `malformed_request`: a broken escape or more than [`FIELDS_MAX`] parameters.
    pub fn from_query(query: &'a str) -> Result<Self, ApiError> {
        Self::from_pairs(query)
    }

    fn from_pairs(text: &'a str) -> Result<Self, ApiError> {
        let mut fields = Self::new(Vec::new(), true);
        for pair in text.split('&').filter(|pair| !pair.is_empty()) {
            let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
            let (Some(name), Some(value)) = (percent::decode(name, true), percent::decode(value, true)) else {
                return Err(ApiError::malformed_request("a percent escape is broken or not UTF-8"));
            };
            if fields.entries.len() >= FIELDS_MAX {
                return Err(ApiError::malformed_request("there are too many parameters"));
            }
            if fields.entries.iter().any(|entry| entry.name == name) {
                // The second is not kept: which of them was meant cannot be known, and the call is refused anyway.
                fields.note_shown(&name, "must be given once");
                continue;
            }
            fields.entries.push(Entry {
                name,
                value: Some(Value::Text(value)),
                known: false,
            });
        }
        Ok(fields)
    }

    fn new(entries: Vec<Entry<'a>>, from_text: bool) -> Self {
        Self {
            entries,
            form: Form::default(),
            from_text,
            prefix: String::new(),
            problems: Vec::new(),
        }
    }

    /// Sets what counts as absent.
    #[must_use]
    pub fn in_form(mut self, form: Form) -> Self {
        self.form = form;
        self
    }

    /// Whether a field is present, by the rules of the form, without taking it.
    pub fn is_present(&self, name: &str) -> bool {
        let entry = self.entries.iter().find(|entry| entry.name == name);
        entry
            .and_then(|entry| entry.value.as_ref())
            .is_some_and(|value| !self.counts_as_absent(value))
    }

    /// Notes a problem that the handler found itself.
    pub fn reject(&mut self, name: &'static str, message: impl Into<Cow<'static, str>>) {
        if self.problems.len() < PROBLEMS_MAX {
            let field = self.field(name);
            self.problems.push(FieldError {
                field,
                message: message.into(),
            });
        }
    }

    /// Text that must be given and not be empty.
    pub fn required_text(&mut self, name: &'static str) -> Option<Cow<'a, str>> {
        let value = self.take_required(name)?;
        self.keep(name, value.text().and_then(not_empty))
    }

    /// Text.
    pub fn optional_text(&mut self, name: &'static str) -> Option<Cow<'a, str>> {
        let value = self.take(name)?;
        self.keep(name, value.text())
    }

    /// Text that must be given, not be empty, and be accepted by `parse`, whose error is the message.
    pub fn required_parsed<T, E: Display>(
        &mut self,
        name: &'static str,
        parse: impl FnOnce(&str) -> Result<T, E>,
    ) -> Option<T> {
        let text = self.required_text(name)?;
        self.keep(name, parse(&text).map_err(|error| error.to_string().into()))
    }

    /// Text that must be accepted by `parse` if it is given.
    pub fn optional_parsed<T, E: Display>(
        &mut self,
        name: &'static str,
        parse: impl FnOnce(&str) -> Result<T, E>,
    ) -> Option<T> {
        let text = self.optional_text(name)?;
        self.keep(name, parse(&text).map_err(|error| error.to_string().into()))
    }

    /// A UUID, wrapped by the `parse` of its id type.
    pub fn required_uuid<T>(&mut self, name: &'static str, parse: fn(&str) -> Option<T>) -> Option<T> {
        self.required_parsed(name, |text| parse(text).ok_or("must be a UUID"))
    }

    /// A UUID, if given, wrapped by the `parse` of its id type.
    pub fn optional_uuid<T>(&mut self, name: &'static str, parse: fn(&str) -> Option<T>) -> Option<T> {
        self.optional_parsed(name, |text| parse(text).ok_or("must be a UUID"))
    }

    /// A whole number in a range. `1.5`, `1.0` and `1e3` are refused: no client writes a whole number so.
    pub fn optional_integer<T>(&mut self, name: &'static str, range: RangeInclusive<T>) -> Option<T>
    where
        T: TryFrom<i64> + PartialOrd + Display,
    {
        let value = self.take(name)?;
        self.keep(name, value.integer(&range))
    }

    /// A whole number in a range that must be given.
    pub fn required_integer<T>(&mut self, name: &'static str, range: RangeInclusive<T>) -> Option<T>
    where
        T: TryFrom<i64> + PartialOrd + Display,
    {
        let value = self.take_required(name)?;
        self.keep(name, value.integer(&range))
    }

    /// A number in a range, fractions and exponents included.
    pub fn optional_number(&mut self, name: &'static str, range: RangeInclusive<f64>) -> Option<f64> {
        let value = self.take(name)?;
        self.keep(name, value.number(&range))
    }

    /// `true` or `false`.
    pub fn optional_bool(&mut self, name: &'static str) -> Option<bool> {
        let value = self.take(name)?;
        self.keep(name, value.boolean())
    }

    /// Any JSON value, checked for its syntax only.
    pub fn optional_raw(&mut self, name: &'static str) -> Option<&'a RawValue> {
        let value = self.take(name)?;
        self.keep(name, value.json())
    }

    /// Reports every problem, unknown fields last, or makes the request out of what was taken.
    ///
    /// # Errors
    /// 422 `invalid_request` with all fields at fault; 500 if `build` has nothing although nothing was wrong, which
    /// is a handler that unwraps an optional field.
    pub fn finish<T>(mut self, build: impl FnOnce() -> Option<T>) -> Result<T, ApiError> {
        self.note_unknown();
        if !self.problems.is_empty() {
            return Err(ApiError::invalid_fields(self.problems));
        }
        build().ok_or_else(|| {
            tracing::error!("a request was built without one of its required fields");
            ApiError::internal()
        })
    }

    fn note_unknown(&mut self) {
        if self.form == Form::Permissions {
            return;
        }
        let entries = std::mem::take(&mut self.entries);
        for entry in entries.iter().filter(|entry| !entry.known) {
            self.note_shown(&entry.name, "unknown field");
        }
    }

    /// Takes a value out, unless it counts as absent.
    fn take(&mut self, name: &str) -> Option<Value<'a>> {
        let entry = self.entries.iter_mut().find(|entry| entry.name == name)?;
        entry.known = true;
        let value = entry.value.take()?;
        (!self.counts_as_absent(&value)).then_some(value)
    }

    fn take_required(&mut self, name: &'static str) -> Option<Value<'a>> {
        let value = self.take(name);
        if value.is_none() {
            self.reject(name, "is required");
        }
        value
    }

    fn counts_as_absent(&self, value: &Value<'_>) -> bool {
        match self.form {
            Form::Authorization => value.is_null() || value.is_empty_text() || value.is_zero(),
            Form::Permissions => value.is_null() || value.is_empty_text(),
            Form::Documented => value.is_null() || (self.from_text && value.is_empty_text()),
        }
    }

    fn keep<T>(&mut self, name: &'static str, read: Result<T, Cow<'static, str>>) -> Option<T> {
        read.map_err(|message| self.reject(name, message)).ok()
    }

    fn field(&self, name: &'static str) -> Cow<'static, str> {
        if self.prefix.is_empty() {
            name.into()
        } else {
            format!("{}{name}", self.prefix).into()
        }
    }

    /// Notes a problem with a name that the caller chose.
    fn note_shown(&mut self, name: &str, message: &'static str) {
        if self.problems.len() < PROBLEMS_MAX {
            let mut shown = name.to_owned();
            if name.chars().count() > NAME_SHOWN_CHARS_MAX {
                shown = name.chars().take(LONG_NAME_SHOWN_CHARS).chain(['…']).collect();
            }
            self.problems.push(FieldError {
                field: format!("{}{shown}", self.prefix).into(),
                message: message.into(),
            });
        }
    }
}

fn not_empty(text: Cow<'_, str>) -> Result<Cow<'_, str>, Cow<'static, str>> {
    if text.is_empty() {
        Err("must not be empty".into())
    } else {
        Ok(text)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use uuid::Uuid;

    use super::*;

    fn uuid(text: &str) -> Option<Uuid> {
        Uuid::try_parse(text).ok()
    }

    fn json(text: &str) -> Fields<'_> {
        Fields::from_json(text.as_bytes()).unwrap()
    }

    /// The problems of a request whose fields have been taken.
    fn problems(fields: Fields<'_>) -> Vec<String> {
        match fields.finish(|| Some(())) {
            Ok(()) => Vec::new(),
            Err(error) => {
                assert_eq!((error.status.as_u16(), error.code), (422, "invalid_request"));
                error
                    .errors
                    .into_iter()
                    .map(|e| format!("{}: {}", e.field, e.message))
                    .collect()
            }
        }
    }

    #[test]
    fn all_problems_are_told_in_the_order_asked_and_unknown_fields_last() {
        let mut fields = json(r#"{"denied_action":[],"ttl_hours":0,"agent_id":"","customer_id":"no"}"#);
        assert!(fields.required_uuid("customer_id", uuid).is_none());
        assert!(fields.required_uuid("bearer_jti", uuid).is_none());
        assert!(fields.required_text("agent_id").is_none());
        assert!(fields.optional_integer("ttl_hours", 1..=720_u32).is_none());
        assert_eq!(
            problems(fields),
            [
                "customer_id: must be a UUID",
                "bearer_jti: is required",
                "agent_id: must not be empty",
                "ttl_hours: must be between 1 and 720",
                "denied_action: unknown field",
            ]
        );
    }

    #[test]
    fn null_is_absent_in_every_form() {
        for form in [Form::Documented, Form::Authorization, Form::Permissions] {
            let mut fields = json(r#"{"a":null,"b":null,"c":null}"#).in_form(form);
            assert!(!fields.is_present("a"));
            assert!(fields.optional_text("a").is_none() && fields.optional_bool("b").is_none());
            assert!(fields.required_text("c").is_none());
            assert_eq!(problems(fields), ["c: is required"]);
        }
    }

    #[test]
    fn a_whole_number_is_written_as_one() {
        for (text, told) in [
            ("1.5", "must be a whole number, without fraction or exponent"),
            ("24.0", "must be a whole number, without fraction or exponent"),
            ("1e3", "must be a whole number, without fraction or exponent"),
            ("99999999999999999999999", "must be between 1 and 720"),
            ("-1", "must be between 1 and 720"),
            ("721", "must be between 1 and 720"),
            ("\"24\"", "must be a whole number"),
            ("true", "must be a whole number"),
            ("[24]", "must be a whole number"),
        ] {
            let body = format!(r#"{{"n":{text}}}"#);
            let mut fields = json(&body);
            assert!(fields.optional_integer("n", 1..=720_u16).is_none());
            assert_eq!(problems(fields), [format!("n: {told}")], "{text}");
        }
        assert_eq!(json(r#"{"n":720}"#).optional_integer("n", 1..=720_u16), Some(720));
    }

    #[test]
    fn other_wrong_types_are_told() {
        let mut fields = json(r#"{"t":1,"b":"yes","l":"x","o":[],"f":"1","r":1e999,"s":"\ud800"}"#);
        fields.optional_text("t");
        fields.optional_bool("b");
        fields.optional_text_list("l", 4);
        fields.optional_object("o", |_| ());
        fields.optional_number("f", 0.0..=1.0);
        fields.optional_number("r", 0.0..=1.0);
        fields.optional_text("s");
        let told = problems(fields);
        assert_eq!(
            told,
            [
                "t: must be text",
                "b: must be true or false",
                "l: must be a list",
                "o: must be an object",
                "f: must be a number",
                "r: must be between 0 and 1",
                "s: must be text in Unicode",
            ]
        );
    }

    #[test]
    fn in_the_authorization_form_zero_and_empty_text_are_unset() {
        let text = r#"{"ttl_hours":0,"level":0.0,"agent_name":"","rbac":{"max_sensitivity_level":0}}"#;
        let mut fields = json(text).in_form(Form::Authorization);
        assert_eq!(fields.optional_integer("ttl_hours", 1..=720_u16), None);
        assert_eq!(fields.optional_number("level", 1.0..=4.0), None);
        assert!(fields.optional_text("agent_name").is_none());
        let level = fields.optional_object("rbac", |rbac| rbac.optional_integer("max_sensitivity_level", 0..=4_u8));
        assert_eq!(level, Some(None));
        assert_eq!(problems(fields), Vec::<String>::new());
        let mut documented = json(text);
        documented.optional_integer("ttl_hours", 1..=720_u16);
        assert_eq!(documented.optional_text("agent_name").as_deref(), Some(""));
        assert_eq!(
            problems(documented).first().unwrap(),
            "ttl_hours: must be between 1 and 720"
        );
    }

    #[test]
    fn the_permission_family_ignores_unknown_fields_and_misses_empty_ones() {
        let mut fields = json(r#"{"adminId":"","path":"billing","extra":1}"#).in_form(Form::Permissions);
        assert!(fields.required_text("adminId").is_none());
        assert_eq!(fields.required_text("path").as_deref(), Some("billing"));
        assert_eq!(problems(fields), ["adminId: is required"]);
    }

    #[test]
    fn problems_in_nested_objects_and_items_name_their_path() {
        let mut fields = json(r#"{"rbac":{"allowed_actions":["a",1],"x":1},"list":[{"n":1},{"m":2},3]}"#);
        fields.optional_object("rbac", |rbac| rbac.optional_text_list("allowed_actions", 2));
        fields.optional_list_of_objects("list", 3, |item| item.required_integer("n", 0..=9_u8));
        assert_eq!(
            problems(fields),
            [
                "rbac.allowed_actions[1]: must be text",
                "rbac.x: unknown field",
                "list[1].n: is required",
                "list[1].m: unknown field",
                "list[2]: must be an object",
            ]
        );
    }

    #[test]
    fn a_list_keeps_to_its_length() {
        let mut fields = json(r#"{"a":["1","2","3"],"b":["1","2"],"requests":[]}"#);
        assert!(fields.optional_text_list("a", 2).is_none());
        assert_eq!(fields.optional_text_list("b", 2).unwrap(), ["1", "2"]);
        assert!(fields.required_raw_list("requests", 1..=100).is_none());
        assert_eq!(
            problems(fields),
            ["a: must have 0 to 2 items", "requests: must have 1 to 100 items"]
        );
    }

    #[test]
    fn what_is_not_an_object_is_400_by_its_place_and_never_quoted() {
        for (text, told) in [
            ("", "not JSON at line 1, column 0"),
            ("{\n \"hush\": hush}", "not JSON at line 2, column 10"),
            ("[]", "the body must be a JSON object"),
            ("\"hush\"", "the body must be a JSON object"),
            ("{} {}", "not JSON at line 1, column 4"),
            (r#"{"a":1,"\u0061":2}"#, "a field stands twice in one object"),
        ] {
            let error = Fields::from_json(text.as_bytes()).err().unwrap();
            assert_eq!((error.code, error.detail.as_ref()), ("malformed_json", told), "{text}");
        }
        let many: Vec<String> = (0..=FIELDS_MAX).map(|n| format!("\"{n}\":0")).collect();
        let many = format!("{{{}}}", many.join(","));
        assert_eq!(
            Fields::from_json(many.as_bytes()).err().unwrap().detail,
            "an object has too many fields"
        );
    }

    #[test]
    fn plain_text_is_borrowed_and_escaped_text_is_not() {
        let mut fields = json(r#"{"plain":"abc","escaped":"a\nc"}"#);
        assert!(matches!(fields.required_text("plain"), Some(Cow::Borrowed("abc"))));
        assert!(matches!(fields.required_text("escaped"), Some(Cow::Owned(text)) if text == "a\nc"));
    }

    #[test]
    fn a_query_has_the_same_takers() {
        let mut query = Fields::from_query("type=agent&limit=50&after=&name=a+b%26c&flag=true").unwrap();
        assert_eq!(query.required_text("type").as_deref(), Some("agent"));
        assert_eq!(query.optional_integer("limit", 1..=200_u16), Some(50));
        assert!(query.optional_text("after").is_none());
        assert_eq!(query.optional_text("name").as_deref(), Some("a b&c"));
        assert_eq!(query.optional_bool("flag"), Some(true));
        assert_eq!(problems(query), Vec::<String>::new());
        let mut query = Fields::from_query("limit=+5&limit=6&wiat=1&list=x").unwrap();
        query.optional_integer("limit", 1..=200_u16);
        query.optional_text_list("list", 3);
        assert_eq!(
            problems(query),
            [
                "limit: must be given once",
                "limit: must be a whole number",
                "list: must be a list",
                "wiat: unknown field"
            ]
        );
        assert_eq!(Fields::from_query("a=%FF").err().unwrap().status.as_u16(), 400);
    }

    #[test]
    fn a_long_unknown_name_is_not_repeated_at_length() {
        let body = format!(r#"{{"{}":1}}"#, "x".repeat(5_000));
        assert!(problems(json(&body))[0].len() < 100);
    }

    #[test]
    fn a_handler_that_forgets_a_required_field_is_an_internal_error() {
        assert_eq!(json("{}").finish(|| None::<()>).unwrap_err().code, "internal");
    }

    /// Takes the same names with every taker there is.
    fn take_everything(mut fields: Fields<'_>, form: Form) {
        fields = fields.in_form(form);
        fields.optional_raw("raw");
        fields.required_text("a");
        fields.optional_integer("b", i64::MIN..=i64::MAX);
        fields.optional_number("c", f64::MIN..=f64::MAX);
        fields.optional_bool("d");
        fields.optional_text_list("e", 3);
        fields.optional_uuid("f", uuid);
        fields.optional_object("g", |nested| nested.required_text("a"));
        fields.optional_list_of_objects("h", 2, |nested| nested.optional_integer("b", 0..=9_u8));
        let _ = fields.finish(|| Some(()));
    }

    fn any_json() -> impl Strategy<Value = String> {
        let leaf = prop_oneof![
            Just("null".to_owned()),
            Just("true".to_owned()),
            "-?[0-9]{1,25}(\\.[0-9]{1,3})?(e[0-9]{1,4})?",
            "\"[ -!#-\\[\\]-~é]{0,6}\"",
            Just("\"\\ud800\"".to_owned()),
        ];
        leaf.prop_recursive(3, 24, 4, |inner| {
            prop_oneof![
                prop::collection::vec(inner.clone(), 0..4).prop_map(|items| format!("[{}]", items.join(","))),
                prop::collection::vec(("[a-h]", inner), 0..6).prop_map(|pairs| {
                    let pairs: Vec<String> = pairs.into_iter().map(|(n, v)| format!("\"{n}\":{v}")).collect();
                    format!("{{{}}}", pairs.join(","))
                }),
            ]
        })
    }

    proptest! {
        #[test]
        fn arbitrary_bytes_never_panic(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
            for form in [Form::Documented, Form::Authorization, Form::Permissions] {
                if let Ok(fields) = Fields::from_json(&bytes) { take_everything(fields, form); }
                if let Ok(fields) = Fields::from_form(&bytes) { take_everything(fields, form); }
            }
        }

        #[test]
        fn arbitrary_json_never_panics_and_is_read_when_it_is_an_object(text in any_json()) {
            match Fields::from_json(text.as_bytes()) {
                Ok(fields) => take_everything(fields, Form::Authorization),
                Err(error) => prop_assert_eq!(error.code, "malformed_json"),
            }
        }

        #[test]
        fn an_integer_in_range_is_read_as_it_was_written(number in any::<i64>()) {
            let body = format!(r#"{{"n":{number}}}"#);
            let mut fields = Fields::from_json(body.as_bytes()).unwrap();
            prop_assert_eq!(fields.optional_integer("n", i64::MIN..=i64::MAX), Some(number));
        }
    }
}
