//! Reading a data directory at rest.

use std::collections::BTreeMap;
use std::path::Path;

use countersign_ledger::{VerifierKey, verify};
use serde_json::Value;

use crate::program::{self, Finished};

/// The verifier key of `data`, as text.
pub fn key(data: &Path) -> String {
    std::fs::read_to_string(data.join("keys/ledger.vkey"))
        .unwrap()
        .trim()
        .to_owned()
}

/// `countersign verify` on `data` with its own key.
pub fn verify_by_binary(data: &Path) -> Finished {
    let key = key(data);
    program::run(["verify", data.to_str().unwrap(), "--key", key.as_str()])
}

/// Every record of the verified ledger, in order. Fails the test on any fault.
pub fn records(data: &Path) -> Vec<Value> {
    let key: VerifierKey = key(data).parse().unwrap();
    let range = match verify::verify(data, &key, None).unwrap().into_range() {
        Ok(range) => range,
        Err(found) => panic!("the ledger has faults: {:?}", found.faults),
    };
    range
        .entries()
        .map(|entry| serde_json::from_slice(&entry.unwrap().1).unwrap())
        .collect()
}

/// The decision records of `records` by exchange id.
pub fn decisions(records: &[Value]) -> BTreeMap<String, Vec<Value>> {
    let mut by_exchange: BTreeMap<String, Vec<Value>> = BTreeMap::new();
    for record in records.iter().filter(|record| record["type"] == "decision") {
        let exchange = record["exchange"].as_str().unwrap().to_owned();
        by_exchange
            .entry(exchange)
            .or_default()
            .push(record.clone());
    }
    by_exchange
}

/// The sides of `records`, in order.
pub fn sides(records: &[Value]) -> Vec<&str> {
    records
        .iter()
        .map(|record| record["side"].as_str().unwrap())
        .collect()
}
