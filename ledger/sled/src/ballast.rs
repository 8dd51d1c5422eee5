//! Making sled's cache let go.
//!
//! The cache has 256 shards; a page belongs to one of them by its number. A shard drops what is
//! over its capacity, but never its last page, and looks only after 64 uses of its pages. A page
//! that is written once and then left alone is thus kept for as long as the process runs. Ballast
//! is a few hundred small pages with successive numbers, some in every shard: using each of them
//! 64 times makes every shard drop all else.

use sled::{Db, Tree};

/// Where the ballast lies, beside the rows.
const TREE: &str = "ballast";
/// Keys of the ballast. sled splits a page of more than sixteen in two, of nine and eight when keys
/// are written in ascending order; this makes more pages than there are shards.
const KEYS: u32 = 3072;
/// From one key to the next that is used, so that no page is passed over.
const STEP: usize = 8;
/// Uses of a page after which its shard has looked.
const USES: u32 = 65;

/// The ballast of a database.
#[derive(Debug)]
pub(crate) struct Ballast(Tree);

impl Ballast {
    /// Finds the ballast of `db`, or makes it.
    pub(crate) fn load(db: &Db) -> sled::Result<Self> {
        let tree = db.open_tree(TREE)?;
        // In ascending order, so that what a crash interrupted is taken up where it ended.
        let made = tree.last()?.map(|(key, _)| key);
        for key in 0..KEYS {
            let key = key.to_be_bytes();
            if made.as_deref().is_none_or(|made| made < &key[..]) {
                tree.insert(key, &[])?;
            }
        }
        Ok(Self(tree))
    }

    /// Makes the cache drop all pages but the ballast's and those that are used the most.
    pub(crate) fn sweep(&self) -> sled::Result<()> {
        for key in (0..KEYS).step_by(STEP) {
            for _ in 0..USES {
                self.0.contains_key(key.to_be_bytes())?;
            }
        }
        Ok(())
    }
}
