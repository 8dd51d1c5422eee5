//! CSV rows as the JSON objects that they stand for.

use serde_json::{Map, Value};

use crate::batch::Problem;

/// Members that are whole numbers.
const INTEGERS: [&str; 10] = [
    "seconds",
    "persons",
    "vendor_count",
    "our_count",
    "matched",
    "missing_here",
    "missing_there",
    "rows",
    "pieces",
    "first",
];
/// Members that are true or false.
const FLAGS: [&str; 4] = ["late", "adverse", "confidential", "selected"];
/// Members that are lists, separated by semicolons.
const LISTS: [&str; 4] = ["states", "exchanges", "keys", "items"];

/// The object that one row stands for; empty cells are absent members.
pub(crate) fn object(
    header: &csv::StringRecord,
    row: &csv::StringRecord,
) -> Result<Value, Problem> {
    let mut object = Map::new();
    for (name, cell) in header.iter().zip(row) {
        if cell.is_empty() {
            continue;
        }
        match name.split_once('.') {
            None => put(&mut object, name, value(name, cell)?)?,
            Some((outer, inner)) => {
                let member = object
                    .entry(outer)
                    .or_insert_with(|| Value::Object(Map::new()));
                let Value::Object(nested) = member else {
                    return Err(Problem::Twice(name.to_owned()));
                };
                put(nested, inner, value(inner, cell)?)?;
            }
        }
    }
    Ok(Value::Object(object))
}

fn put(object: &mut Map<String, Value>, name: &str, value: Value) -> Result<(), Problem> {
    match object.insert(name.to_owned(), value) {
        None => Ok(()),
        Some(_) => Err(Problem::Twice(name.to_owned())),
    }
}

fn value(name: &str, cell: &str) -> Result<Value, Problem> {
    if INTEGERS.contains(&name) || name == "last" {
        let number = cell.parse::<u64>();
        number.map(Value::from).map_err(|_| Problem::Cell {
            column: name.to_owned(),
            wanted: "a whole number",
        })
    } else if FLAGS.contains(&name) {
        match cell {
            "true" | "yes" | "1" => Ok(true.into()),
            "false" | "no" | "0" => Ok(false.into()),
            _ => Err(Problem::Cell {
                column: name.to_owned(),
                wanted: "true or false",
            }),
        }
    } else if LISTS.contains(&name) {
        cell.split(';')
            .map(|item| listed(name, item.trim()))
            .collect()
    } else {
        Ok(cell.into())
    }
}

fn listed(name: &str, item: &str) -> Result<Value, Problem> {
    if name != "items" {
        return Ok(item.into());
    }
    // What was handed over: a kind and a digest with a space between.
    let (kind, digest) = item.split_once(' ').ok_or_else(|| Problem::Cell {
        column: name.to_owned(),
        wanted: "items of the form: kind sha256:...",
    })?;
    Ok(serde_json::json!({ "kind": kind, "digest": digest }))
}
