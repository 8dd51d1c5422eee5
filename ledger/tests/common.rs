//! A ledger in a temporary directory.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]
#![allow(dead_code, reason = "each test binary uses its part")]

use std::{fs, ops::Range, path::Path, sync::Arc};

use countersign_ledger::{
    Ledger, OpenError, Opening, ReadError, Recovery, Settings, SigningKey, VerifierKey, keys,
};
use serde_json::{Map, Value, json};

pub(crate) struct Home {
    dir: tempfile::TempDir,
    pub(crate) key: SigningKey,
    pub(crate) name: VerifierKey,
    pub(crate) settings: Settings,
}

impl Home {
    pub(crate) fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let (key, name) = keys::init(dir.path(), "example.com/ledger", None).unwrap();
        let mut settings = Settings::new(dir.path(), "example.com/ledger");
        settings.index_members = vec!["id".into(), "exchange".into()];
        settings.min_free_bytes = 0;
        Self {
            dir,
            key,
            name,
            settings,
        }
    }

    /// Another empty ledger of the same name under the same key.
    pub(crate) fn twin(&self) -> Self {
        let dir = tempfile::tempdir().unwrap();
        copy(&self.path().join("keys"), &dir.path().join("keys"));
        let mut settings = self.settings.clone();
        settings.dir = dir.path().into();
        Self {
            dir,
            key: self.key.clone(),
            name: self.name.clone(),
            settings,
        }
    }

    pub(crate) fn path(&self) -> &Path {
        self.dir.path()
    }

    /// The key files are left as they are.
    pub(crate) fn become_key(&mut self, key: SigningKey) {
        self.name = VerifierKey::new(self.name.name(), key.verifying_key()).unwrap();
        self.key = key;
    }

    pub(crate) fn opening(&self) -> Opening {
        Opening::new(self.settings.clone(), Arc::new(self.key.clone()))
    }

    pub(crate) fn try_open(&self) -> Result<(Ledger, Recovery), OpenError> {
        self.opening().open()
    }

    pub(crate) fn open(&self) -> (Ledger, Recovery) {
        self.try_open().unwrap()
    }
}

pub(crate) fn members(i: u64) -> Map<String, Value> {
    let Value::Object(members) = json!({"id": format!("id-{i}"), "exchange": "e", "n": i}) else {
        unreachable!("the literal is an object")
    };
    members
}

pub(crate) async fn append(ledger: &Ledger, range: Range<u64>) {
    for i in range {
        ledger.append(members(i)).await.unwrap();
    }
}

/// Looks up as soon as the index has caught up.
pub(crate) async fn find(ledger: &Ledger, member: &str, value: &str) -> Vec<u64> {
    loop {
        match ledger.find(member, value) {
            Err(ReadError::IndexBehind { .. }) => {
                tokio::time::sleep(std::time::Duration::from_millis(1)).await;
            }
            other => return other.unwrap(),
        }
    }
}

pub(crate) fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for item in fs::read_dir(from).unwrap() {
        let item = item.unwrap();
        let target = to.join(item.file_name());
        if item.file_type().unwrap().is_dir() {
            copy(&item.path(), &target);
        } else {
            fs::copy(item.path(), target).unwrap();
        }
    }
}
