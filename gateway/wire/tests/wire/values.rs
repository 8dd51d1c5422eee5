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

/// Paths of all arrays of bytes that spell a text.
pub(crate) fn byte_paths(value: &Value, path: &str, out: &mut Vec<String>) {
    match value {
        Value::Array(items) => {
            for (i, item) in items.iter().enumerate() {
                byte_paths(item, &format!("{path}/{i}"), out);
            }
        }
        Value::Object(members) => {
            for (key, member) in members {
                let path = format!("{path}/{}", key.replace('~', "~0").replace('/', "~1"));
                if key == "bytes" && member.as_array().is_some_and(|items| !items.is_empty()) {
                    out.push(path);
                } else {
                    byte_paths(member, &path, out);
                }
            }
        }
        _ => {}
    }
}

/// Paths of all objects.
pub(crate) fn object_paths(value: &Value, path: &str, out: &mut Vec<String>) {
    match value {
        Value::Array(items) => {
            for (i, item) in items.iter().enumerate() {
                object_paths(item, &format!("{path}/{i}"), out);
            }
        }
        Value::Object(members) => {
            out.push(path.to_owned());
            for (key, member) in members {
                object_paths(member, &format!("{path}/{key}"), out);
            }
        }
        _ => {}
    }
}
