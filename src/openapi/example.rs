//! Whole examples, put together from those of the parts: what a schema says of each field is what its example shows.

use serde_json::{Map, Value, json};
use utoipa::openapi::schema::{ArrayItems, Object, Schema, SchemaType, Type};
use utoipa::openapi::{Components, RefOr};

/// How deep schemas are nested, at most.
const DEPTH_MAX: u8 = 16;

/// A value that a schema permits.
pub(super) fn of(schema: &RefOr<Schema>, components: &Components) -> Value {
    at_depth(schema, components, 0)
}

fn at_depth(schema: &RefOr<Schema>, components: &Components, depth: u8) -> Value {
    if depth > DEPTH_MAX {
        return Value::Null;
    }
    let inner = |schema: &RefOr<Schema>| at_depth(schema, components, depth + 1);
    let first_said = |items: &[RefOr<Schema>]| {
        items
            .iter()
            .map(inner)
            .find(|value| !value.is_null())
            .unwrap_or_default()
    };
    match schema {
        RefOr::Ref(reference) => {
            let name = reference.ref_location.rsplit('/').next().unwrap_or_default();
            components.schemas.get(name).map(inner).unwrap_or_default()
        }
        RefOr::T(Schema::Object(object)) => of_object(object, inner),
        RefOr::T(Schema::Array(array)) => match &array.items {
            ArrayItems::RefOrSchema(item) => json!([inner(item)]),
            ArrayItems::False => json!([]),
        },
        RefOr::T(Schema::OneOf(one)) => first_said(&one.items),
        RefOr::T(Schema::AnyOf(any)) => first_said(&any.items),
        RefOr::T(Schema::AllOf(all)) => {
            let objects = all.items.iter().map(inner);
            let members = objects.filter_map(|value| match value {
                Value::Object(members) => Some(members),
                _ => None,
            });
            Value::Object(members.flatten().collect())
        }
        RefOr::T(_) => Value::Null,
    }
}

fn of_object(object: &Object, inner: impl Fn(&RefOr<Schema>) -> Value) -> Value {
    if let Some(example) = object.examples.first() {
        return example.clone();
    }
    if let Some(word) = object.enum_values.as_ref().and_then(|words| words.first()) {
        return word.clone();
    }
    let types: &[Type] = match &object.schema_type {
        SchemaType::Type(one) => std::slice::from_ref(one),
        SchemaType::Array(several) => several,
        SchemaType::AnyValue => &[],
    };
    match types.iter().find(|one| **one != Type::Null) {
        Some(Type::Object) => {
            let members = object
                .properties
                .iter()
                .map(|(name, schema)| (name.clone(), inner(schema)));
            Value::Object(members.collect::<Map<_, _>>())
        }
        Some(Type::String) => json!("text"),
        Some(Type::Integer | Type::Number) => object.minimum.as_ref().map_or(json!(1), |least| json!(least)),
        Some(Type::Boolean) => json!(true),
        Some(Type::Array) => json!([]),
        _ => Value::Null,
    }
}
