//! Walks over JSON values.

use serde_json::Value;

/// Paths of all strings of a value.
pub(crate) fn string_paths(value: &Value, path: &str, out: &mut Vec<String>) {
    match value {
        Value::String(_) => out.push(path.to_owned()),
        Value::Array(items) => {
            for (i, item) in items.iter().enumerate() {
                string_paths(item, &format!("{path}/{i}"), out);
            }
        }
        Value::Object(members) => {
            for (key, member) in members {
                string_paths(member, &format!("{path}/{key}"), out);
            }
        }
        _ => {}
    }
}

/// All strings of a value, keys included.
pub(crate) fn collect_strings(value: &Value, out: &mut Vec<String>) {
    match value {
        Value::String(text) => out.push(text.clone()),
        Value::Array(items) => items.iter().for_each(|item| collect_strings(item, out)),
        Value::Object(members) => members.iter().for_each(|(key, member)| {
            out.push(key.clone());
            collect_strings(member, out);
        }),
        _ => {}
    }
}
