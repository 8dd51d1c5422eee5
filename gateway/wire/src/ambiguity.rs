//! Keys that are unlike to a strict parser and the same to a lax one.
//!
//! Go's `encoding/json` matches keys whatever their letter case, and a receiver may normalise
//! compatibility characters; protocol buffers take `fileUri` and `file_uri` for one field. Two such
//! keys in one object would let two receivers read two texts.

use std::collections::HashMap;

use unicode_normalization::UnicodeNormalization;

use crate::Dialect;
use crate::json::Node;
use crate::known_keys::is_known;

/// The token of the first key that may be taken for a sibling which is a word of the dialect, or
/// which is such a word itself and may be taken for a sibling.
pub(crate) fn ambiguous_key(dialect: Dialect, root: &Node) -> Option<usize> {
    if dialect == Dialect::Raw {
        return None;
    }
    match root {
        Node::List(items, _) => items.iter().find_map(|item| ambiguous_key(dialect, item)),
        Node::Map(members) => {
            let keys = members.iter().map(|(name, _)| name.text.as_str());
            among(dialect, keys)
                .and_then(|nth| members.get(nth))
                .map(|(name, _)| name.token)
                .or_else(|| {
                    members
                        .iter()
                        .find_map(|(_, value)| ambiguous_key(dialect, value))
                })
        }
        _ => None,
    }
}

/// Which of the keys of one object is the second of an ambiguous pair.
fn among<'k>(dialect: Dialect, keys: impl Iterator<Item = &'k str> + Clone) -> Option<usize> {
    if keys.clone().all(|key| is_plain(dialect, key)) {
        return None;
    }
    let mut seen: HashMap<String, bool> = HashMap::new();
    for (nth, key) in keys.enumerate() {
        let known = is_known(dialect, key);
        if let Some(earlier) = seen.insert(fold(dialect, key), known)
            && (known || earlier)
        {
            return Some(nth);
        }
    }
    None
}

/// Whether a key folds to itself.
fn is_plain(dialect: Dialect, key: &str) -> bool {
    let same = |b: u8| b.is_ascii() && !b.is_ascii_uppercase();
    key.bytes().all(same) && !(dialect == Dialect::Gemini && key.contains('_'))
}

fn fold(dialect: Dialect, key: &str) -> String {
    let folded = key.nfkc().flat_map(char::to_lowercase);
    match dialect {
        Dialect::Gemini => folded.filter(|c| *c != '_').collect(),
        _ => folded.collect(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_that_a_lax_receiver_confuses_are_found_beside_known_words_only() {
        let chat = Dialect::OpenAiChat;
        let table: [(Dialect, &[&str], Option<usize>); 11] = [
            (chat, &["content", "role"], None),
            (chat, &["content", "Content"], Some(1)),
            (chat, &["CONTENT", "role", "content"], Some(2)),
            (chat, &["\u{17f}tream", "stream"], Some(1)),
            (chat, &["\u{ff43}ontent", "content"], Some(1)),
            (chat, &["to\u{212a}en", "token"], Some(1)),
            (chat, &["Content"], None),
            (chat, &["colour", "Colour"], None),
            (Dialect::Gemini, &["fileData", "file_data"], Some(1)),
            (Dialect::Gemini, &["fileData", "mimeType"], None),
            (Dialect::OllamaChat, &["Messages", "messages"], Some(1)),
        ];
        for (dialect, keys, found) in table {
            assert_eq!(among(dialect, keys.iter().copied()), found, "{keys:?}");
        }
    }
}
