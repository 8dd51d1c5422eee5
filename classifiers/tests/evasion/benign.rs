//! Harmless texts: no finding that is not there without views, and few views.

use countersign_classifiers::view::{ViewLimits, views};

use super::inspect;

/// Texts that need no view.
const PLAIN: &[&str] = &[
    "Ordinary prose, with numbers (3.14), dates (2024-01-15) and an abbreviation, U.S.A.",
    "I am a man; a b c are letters, and so is x in y = m x + b.",
    "fn main() { let x: Vec<u8> = vec![1, 2, 3]; println!(\"{x:?} {}\", a & b && c % d); }",
    "path/to/some/file_name-with-parts.rs and src/main/java/com/example/Application.java",
    "SELECT * FROM t WHERE a LIKE '%abc%' AND b = 100 -- 50% off, AT&T, R&D; C:\\Users\\new",
    "550e8400-e29b-41d4-a716-446655440000 and 123E4567E89B12D3A456426614174000",
    "commit 9fceb02d0ae598e95dc970b74767f19372d61af8, sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
    "id ABCdef123GHIjkl456MNOpqr, getElementById, XMLHttpRequest, InternationalizationSupport",
    "data:image/png;base64,iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk",
    "aa:bb:cc:dd:ee:ff 12:30:45 de ad be ef 00 11 22 33 44 55 66 77 88 99",
    "Grüße aus Köln: café, naïve, Ærøskøbing, Łódź, ¿qué?, 5 µm, 20 °C, ½ cup, m², Acme™ … “ok” – 10 000 €",
    "Thumbs 👍🏽, hearts ❤️ and ✔️, a family 👨‍👩‍👧‍👦, ❤️‍🔥, keys 1️⃣ #️⃣, flags 🇩🇪🇫🇷 🏴󠁧󠁢󠁥󠁮󠁧󠁿, ©️ ™️ ℹ️",
    "Это обычный русский текст: он не должен меняться, хотя сор и рок похожи на латиницу.",
    "Я купил iPhone и Wi-Fi роутер, а формат бумаги А4 у нас в офисе.",
    "Η γλώσσα αυτή είναι ελληνικά και δεν αλλάζει. Το νερό, ο ήλιος, και το Windows.",
    "שלום עולם\u{200f}! זה טקסט בעברית, עם סימני כיוון\u{200e}.",
    "مرحبا بالعالم\u{200f}، هذا نص عربي. می\u{200c}خواهم بروم، نمی\u{200c}دانم",
    "हिन्दी में क्\u{200d}ष और र\u{200d}या, தமிழ், বাংলা, മലയാളം: ന്\u{200d}",
    "ภาษา\u{200b}ไทย และ ភាសា\u{200b}ខ្មែរ",
    "你好，世界！価格：1つ？ いいえ、「東京」です。葛\u{e0100}城市",
    "한국어 문장입니다. 안녕하세요?",
    "Tiếng Việt có dấu, e\u{301} decomposed too",
    "\u{feff}A byte order mark before the text.",
    "The angle α, the mean μ and the density ρ of x\u{2081} are given; H₂O, 10⁵.",
    "bonjour\u{a0}! 4111\u{a0}et plus",
    "1 2 3 4 5 6 7 8",
    "",
];

/// Texts that have a view for a reason, and yet no finding.
const VIEWED: &[(&str, &str)] = &[
    (
        "https://example.org/a%20b?x=%C3%A9",
        "percent-encoding is undone",
    ),
    ("Tom &amp; Jerry &lt;tag&gt;", "references are undone"),
    ("caf\\u00e9", "escapes are undone"),
    (
        "Donau\u{ad}dampf\u{ad}schiff",
        "hyphens are no part of the word",
    ),
    ("ﬁne ﬂow", "ligatures are letters"),
    ("VXNlcjoxMjM0NTY=", "an id that is base64 of User:123456"),
    ("X-Note: aGVsbG8gd29ybGQgYW5kIGFsbA==", "text in base64"),
    ("٤١١١ ٢٠٢٤", "digits of Arabic"),
    ("A B C D E F G", "letters that stand alone"),
    ("価格：１つ", "full-width digits"),
    ("ｶﾀｶﾅ", "half-width letters"),
];

#[test]
fn harmless_texts_need_no_view() {
    for text in PLAIN {
        let views = views(text, &ViewLimits::default());
        assert!(!views.truncated, "{text:?}");
        let made: Vec<_> = views.list.iter().map(|v| (v.kind, &v.text)).collect();
        assert_eq!(made, [], "of {text:?}");
    }
}

#[tokio::test]
async fn views_of_harmless_texts_find_nothing() {
    for (text, why) in VIEWED {
        let made = views(text, &ViewLimits::default()).list.len();
        assert!((1..=2).contains(&made), "{made} views of {text:?}: {why}");
        let assessment = inspect(&[text]).await;
        assert_eq!(assessment.spans, [], "in {text:?}");
        assert_eq!(assessment.not_evaluated(), []);
    }
}

#[tokio::test]
async fn a_web_token_stays_a_web_token() {
    let text =
        "Bearer eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxMjM0NTY3ODkwIn0.dozjgNryP4J3jVmNHl0w5N_XgL0n3I9P";
    let assessment = inspect(&[text]).await;
    let labels: Vec<&str> = assessment.spans.iter().map(|s| s.label.as_str()).collect();
    assert_eq!(labels, ["secret.jwt"]);
}
