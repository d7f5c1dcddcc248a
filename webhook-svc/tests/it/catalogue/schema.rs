//! As much of JSON Schema as the catalogue uses, and stricter: nothing may be there that the schema does not name.

use serde_json::Value;
use time::{OffsetDateTime, format_description::well_known::Rfc3339};

/// Returns what is wrong with `value`.
pub fn problems(schema: &Value, value: &Value) -> Vec<String> {
    let mut found = Vec::new();
    check(schema, schema, value, "", &mut found);
    found
}

fn check(root: &Value, schema: &Value, value: &Value, at: &str, found: &mut Vec<String>) {
    if let Some(name) = schema["$ref"].as_str() {
        let name = name.strip_prefix("#/$defs/").unwrap();
        return check(root, &root["$defs"][name], value, at, found);
    }
    if schema.get("const").is_some_and(|wanted| wanted != value) {
        found.push(format!("{at}: {value} is another constant"));
    }
    let is_type = match schema["type"].as_str() {
        None => schema.get("const").is_some(),
        Some("object") => value.is_object(),
        Some("array") => value.is_array(),
        Some("string") => value.is_string(),
        Some("boolean") => value.is_boolean(),
        Some("integer") => value.is_u64() || (value.is_i64() && schema.get("minimum").is_none()),
        Some("number") => value.is_number(),
        Some(_) => false,
    };
    if !is_type {
        return found.push(format!("{at}: {value} is no {}", schema["type"]));
    }
    if let Some(names) = schema["examples"].as_array()
        && !names.contains(value)
    {
        found.push(format!("{at}: {value} is no value of the enum"));
    }
    if schema["format"] == "date-time" && OffsetDateTime::parse(value.as_str().unwrap_or_default(), &Rfc3339).is_err() {
        found.push(format!("{at}: {value} is no time"));
    }
    for item in value.as_array().into_iter().flatten() {
        check(root, &schema["items"], item, &format!("{at}[]"), found);
    }
    for name in schema["required"].as_array().into_iter().flatten().filter_map(Value::as_str) {
        if value.get(name).is_none() {
            found.push(format!("{at}.{name}: is missing"));
        }
    }
    for (name, inner) in value.as_object().into_iter().flatten() {
        let at = format!("{at}.{name}");
        match schema["properties"].get(name).or_else(|| schema.get("additionalProperties")) {
            Some(schema) => check(root, schema, inner, &at, found),
            None => found.push(format!("{at}: is unknown")),
        }
    }
}
