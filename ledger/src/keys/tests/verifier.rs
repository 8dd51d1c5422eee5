use super::*;

const FOO: &str = "example.com/foo+530d903a+AekyeRrm56hApGFkyQR4ZCbV54Id2LKaANYcrnKv3U2k";

#[test]
fn the_published_verifier_key_prints_as_it_was_read() {
    assert_eq!(FOO.parse::<VerifierKey>().unwrap().to_string(), FOO);
}

#[test]
fn a_verifier_key_with_a_wrong_id_is_refused() {
    assert!(matches!(
        FOO.replace("530d903a", "530d903b").parse::<VerifierKey>(),
        Err(KeyError::Verifier("wrong key id"))
    ));
}
