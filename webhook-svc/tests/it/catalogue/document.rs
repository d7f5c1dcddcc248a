//! `docs/events.md`, from the same source as the catalogue. `LATCHKEY_WRITE_DOCS=1` writes it.

use std::{collections::BTreeMap, fmt::Write as _, fs, path::Path};

use proto::schema::IN_IDS;
use serde_json::Value;
use webhook_svc::app::catalogue::{Entry, entries};

const HEAD: &str = "\
# Events

What happens in Latchkey, as it is sent to [endpoints](webhooks.md) and listed by `latchkey events`. This file is made from
`proto/latchkey/event/v1/event.proto` (`LATCHKEY_WRITE_DOCS=1 cargo test -p webhook-svc --test it document`); the same as JSON
Schemas: `latchkey events types --schema`, or `EventService.ListEventTypes`.

Fields at their default (an empty text, 0, `false`, an empty list) are left out. Fields and values may be added at any time:
take what you do not know.

Endpoints with the payload profile `ids` get the body with those fields of its data that have a ✓ (`x-in-ids` in the schemas), and
nothing about people.

";

fn document() -> String {
    let mut text = HEAD.to_owned();
    let mut objects = BTreeMap::new();
    let all: Vec<Entry> = entries(&[], "").collect();
    envelope(&mut text, &all[0].schema);
    writeln!(text, "## Types\n").unwrap();
    for entry in &all {
        writeln!(text, "### `{}`\n\n{}\n", entry.name, entry.description).unwrap();
        if entry.is_only_by_name {
            writeln!(text, "Only for those who ask for it by its full name: `*` does not include it.\n").unwrap();
        }
        table(&mut text, &entry.schema["properties"]["data"]);
        objects.extend(
            entry.schema["$defs"].as_object().into_iter().flatten().map(|(name, of)| (name.clone(), of.clone())),
        );
    }
    writeln!(text, "## Objects\n").unwrap();
    for (name, of) in &objects {
        writeln!(text, "### {name}\n\n{}\n", of["description"].as_str().unwrap()).unwrap();
        table(&mut text, of);
    }
    text.trim_end().to_owned() + "\n"
}

fn envelope(text: &mut String, schema: &Value) {
    writeln!(text, "## The body\n\n| field | what | meaning |\n|---|---|---|").unwrap();
    for (name, field) in by_name(&schema["properties"]) {
        let meaning = match name.as_str() {
            "type" => "One of the types below.",
            "data" => "What exactly happened: see the type.",
            _ => field["description"].as_str().unwrap(),
        };
        let kind = if name == "type" { "text".to_owned() } else { kind(field) };
        writeln!(text, "| `{name}` | {kind} | {meaning} |").unwrap();
    }
    text.push('\n');
}

fn table(text: &mut String, of: &Value) {
    let fields = by_name(&of["properties"]);
    if fields.is_empty() {
        return;
    }
    writeln!(text, "| field | ids | what | meaning |\n|---|---|---|---|").unwrap();
    for (name, field) in fields {
        let meaning = field["description"].as_str().unwrap_or_default().replace('|', "\\|");
        let in_ids = if field[IN_IDS] == true { "✓" } else { "" };
        writeln!(text, "| `{name}` | {in_ids} | {} | {meaning} |", kind(field)).unwrap();
    }
    text.push('\n');
}

/// In an order that does not depend on how JSON objects are built.
fn by_name(fields: &Value) -> BTreeMap<&String, &Value> {
    fields.as_object().into_iter().flatten().collect()
}

fn kind(field: &Value) -> String {
    if let Some(name) = field["$ref"].as_str() {
        let name = name.trim_start_matches("#/$defs/");
        return format!("[{name}](#{})", name.to_lowercase());
    }
    if let Some(names) = field["examples"].as_array() {
        return names.iter().map(|name| format!("`{}`", name.as_str().unwrap())).collect::<Vec<_>>().join(", ");
    }
    match (field["type"].as_str(), field["format"].as_str()) {
        (Some("string"), Some("date-time")) => "time (RFC 3339)".to_owned(),
        (Some("string"), _) => "text".to_owned(),
        (Some("integer"), _) => "number".to_owned(),
        (Some("array"), _) => format!("list of {}", kind(&field["items"])),
        (Some("object"), _) if field.get("additionalProperties").is_some() => {
            format!("{} by name", kind(&field["additionalProperties"]))
        }
        (Some("object"), _) => "object".to_owned(),
        (Some("boolean"), _) | (None, None) => "`true`".to_owned(),
        other => panic!("{other:?}"),
    }
}

#[test]
fn the_document_is_current() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/events.md");
    let wanted = document();
    if std::env::var_os("LATCHKEY_WRITE_DOCS").is_some() {
        fs::write(&path, &wanted).unwrap();
    }
    let found = fs::read_to_string(&path).unwrap_or_default();
    assert!(found == wanted, "docs/events.md is not what the contract says: LATCHKEY_WRITE_DOCS=1 writes it");
}
