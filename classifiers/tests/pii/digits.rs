//! Random digits pass as often as the checks predict, and hardly ever without a word.

use super::{Random, find};

/// Entity, what tells it, shape, and how many of a thousand random numbers should pass.
const SHARES: &[(&str, &str, &str, f64)] = &[
    ("card", "pay", "4###############", 100.0),
    ("uk_nhs_number", "NHS", "##########", 1000.0 / 11.0),
    ("nl_bsn", "BSN", "#########", 1000.0 / 11.0),
    ("in_aadhaar", "Aadhaar", "2###########", 100.0),
    ("br_cpf", "CPF", "###########", 10.0),
    ("br_cnpj", "CNPJ", "##############", 10.0),
    ("ch_ahv", "AHV", "756##########", 100.0),
    ("imei", "IMEI", "35#############", 100.0),
    ("ca_sin", "SIN", "5########", 100.0),
    ("us_npi", "NPI", "1#########", 100.0),
    ("us_aba_routing", "routing", "01#######", 100.0),
    ("hr_oib", "OIB", "###########", 100.0),
    ("tr_tckn", "kimlik", "1##########", 10.0),
    ("au_abn", "ABN", "1##########", 1000.0 / 89.0),
    ("se_personnummer", "personnummer", "850730####", 100.0),
    ("pl_pesel", "PESEL", "850730#####", 100.0),
];
const EACH: usize = 20_000;

#[test]
fn random_digits_after_a_word_pass_as_often_as_the_check_predicts() {
    let mut random = Random::new();
    for (entity, name, shape, expected) in SHARES {
        let passes = (0..EACH).filter(|_| {
            let number = random.shape(shape);
            let text = format!("{name} {number} ok");
            find(&text).contains(&(*entity, number.as_str()))
        });
        let share = passes.count() as f64 * 1000.0 / EACH as f64;
        println!("{entity:<20} {share:>6.1} per mille, predicted {expected:>6.1}");
        // Four standard deviations of a draw of this size.
        let spread = 4.0 * (expected * (1000.0 - expected) / EACH as f64).sqrt();
        assert!(
            (share - expected).abs() <= spread,
            "{entity}: {share} is not {expected}"
        );
    }
}

#[test]
fn random_digits_without_a_word_hardly_ever_pass() {
    let mut random = Random::new();
    for length in 5..=20 {
        let shape = "#".repeat(length);
        let mut kinds = std::collections::BTreeMap::new();
        for _ in 0..EACH {
            let text = format!("see {} there", random.shape(&shape));
            for (entity, _) in find(&text) {
                *kinds.entry(entity).or_insert(0_usize) += 1;
            }
        }
        println!("{length:>2} digits: {kinds:?} of {EACH}");
        for (entity, count) in kinds {
            // Cards of sixteen digits: an issuer's prefix (every third number) and one in ten.
            let per_mille = if entity == "card" { 50 } else { 3 };
            assert!(
                count * 1000 <= per_mille * EACH,
                "{entity}: {count} of {length} digits"
            );
        }
    }
}
