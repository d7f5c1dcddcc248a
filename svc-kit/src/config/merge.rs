//! Lays a file and the environment over the defaults, and reports what does not fit.

use std::{fs, path::Path};

use toml::{Table, Value};

use super::{ENV_PREFIX, Problems};

/// Lays the TOML file at `path` over `base`.
pub(super) fn file(base: &mut Table, path: &Path, problems: &mut Problems) {
    let source = path.display().to_string();
    let text = match fs::read_to_string(path) {
        Ok(text) => text,
        Err(error) => return problems.add(source, format!("cannot be read: {error}")),
    };
    match text.parse::<Table>() {
        Ok(over) => lay_over(base, over, "", &source, problems),
        Err(error) => problems.add(source, error.to_string().trim_end().to_owned()),
    }
}

fn lay_over(base: &mut Table, over: Table, path: &str, source: &str, problems: &mut Problems) {
    for (key, value) in over {
        let full = if path.is_empty() { key.clone() } else { format!("{path}.{key}") };
        match (base.get_mut(&key), value) {
            (None, _) => problems.add(full, format!("is unknown (in {source}){}", suggestion(base, &key))),
            (Some(Value::Table(base)), Value::Table(over)) => lay_over(base, over, &full, source, problems),
            (Some(base), over) if base.same_type(&over) => *base = over,
            (Some(base), over) => {
                let (wanted, got) = (base.type_str(), over.type_str());
                problems.add(full, format!("must be of type {wanted}, not {got} (in {source})"));
            }
        }
    }
}

/// Lays the variables that start with the prefix over `base`.
pub(super) fn env(base: &mut Table, env: impl IntoIterator<Item = (String, String)>, problems: &mut Problems) {
    let mut variables: Vec<_> = env.into_iter().filter(|(name, _)| is_ours(name)).collect();
    variables.sort();
    for (name, text) in variables {
        let path = name[ENV_PREFIX.len()..].to_ascii_lowercase().replace("__", ".");
        match find(base, &path) {
            None => problems.add(path, format!("is unknown (from {name})")),
            Some(slot) => match read_as(slot, &text) {
                Some(value) => *slot = value,
                None => problems.add(path, format!("must be of type {} (from {name})", slot.type_str())),
            },
        }
    }
}

/// Variables of the test harness and of the command-line tool share the prefix; they have no section of ours.
fn is_ours(name: &str) -> bool {
    const OTHERS: [&str; 5] = ["TEST_", "KEY", "AUTH_URL", "SESSION_URL", "WEBHOOK_URL"];
    name.strip_prefix(ENV_PREFIX).is_some_and(|rest| !OTHERS.iter().any(|other| rest.starts_with(other)))
}

fn find<'t>(base: &'t mut Table, path: &str) -> Option<&'t mut Value> {
    match path.split_once('.') {
        None => base.get_mut(path).filter(|value| !value.is_table()),
        Some((section, rest)) => find(base.get_mut(section)?.as_table_mut()?, rest),
    }
}

fn read_as(slot: &Value, text: &str) -> Option<Value> {
    match slot {
        Value::String(_) => Some(Value::String(text.to_owned())),
        Value::Integer(_) => text.parse().ok().map(Value::Integer),
        Value::Float(_) => text.parse().ok().map(Value::Float),
        Value::Boolean(_) => text.parse().ok().map(Value::Boolean),
        Value::Array(_) if text.trim_start().starts_with('[') => {
            format!("value = {text}").parse::<Table>().ok()?.remove("value").filter(Value::is_array)
        }
        Value::Array(_) => {
            let parts = text.split(',').map(str::trim).filter(|part| !part.is_empty());
            Some(Value::Array(parts.map(|part| Value::String(part.to_owned())).collect()))
        }
        Value::Datetime(_) | Value::Table(_) => None,
    }
}

/// Names the known key that is written most like `key`.
fn suggestion(base: &Table, key: &str) -> String {
    let nearest = base.keys().map(|known| (distance(known, key), known)).min();
    match nearest {
        Some((distance, known)) if distance <= 3 => format!("; did you mean {known}?"),
        _ => String::new(),
    }
}

/// Levenshtein distance: how many characters must be changed, added or dropped.
fn distance(left: &str, right: &str) -> usize {
    let right: Vec<char> = right.chars().collect();
    let mut row: Vec<usize> = (0..=right.len()).collect();
    for (i, l) in left.chars().enumerate() {
        let mut diagonal = row[0];
        row[0] = i + 1;
        for (j, r) in right.iter().enumerate() {
            let changed = diagonal + usize::from(l != *r);
            diagonal = row[j + 1];
            row[j + 1] = changed.min(diagonal + 1).min(row[j] + 1);
        }
    }
    row[right.len()]
}
