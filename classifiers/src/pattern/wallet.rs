//! Addresses of Bitcoin and Ethereum by their own checksums.

use sha2::{Digest, Sha256};
use sha3::Keccak256;

use super::scan::{byte_at, byte_before, is_told};

const BASE58: &[u8] = b"123456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz";
const BECH32: &[u8] = b"qpzry9x8gf2tvdw0s3jn54khce6mua7l";
/// Constants of Bech32 and Bech32m.
const BECH32_ENDS: [u32; 2] = [1, 0x2bc8_30a3];
const ETHEREUM_WORDS: &[&str] = &["ethereum", "eth", "ether", "wallet", "erc20", "erc-20"];

/// The name of the address that starts at a word's start, and its end.
pub(super) fn address_at(text: &str, start: usize) -> Option<(&'static str, usize)> {
    let rest = text.as_bytes().get(start..)?;
    if !matches!(rest, [b'1' | b'3' | b'b' | b'B' | b'0', ..])
        || matches!(byte_before(text, start), Some(b'_' | b'/' | b'+'))
    {
        return None;
    }
    let length = rest
        .iter()
        .take(91)
        .take_while(|b| b.is_ascii_alphanumeric())
        .count();
    let word = rest.get(..length)?;
    let end = start + length;
    if matches!(byte_at(text, end), Some(b'_' | b'/' | b'+' | b'=')) {
        return None;
    }
    let name = match word {
        [b'0', b'x', body @ ..] if body.len() == 40 => {
            let told = || is_told(text, start, 40, ETHEREUM_WORDS);
            is_ethereum(body, told).then_some("ethereum_address")
        }
        [b'b' | b'B', b'c' | b'C', b'1', ..] => is_bech32(word).then_some("bitcoin_address"),
        [b'1' | b'3', ..] => is_base58(word).then_some("bitcoin_address"),
        _ => None,
    };
    name.map(|name| (name, end))
}

/// `Base58Check`: version, hash of 20 bytes, four bytes of a double SHA-256.
fn is_base58(word: &[u8]) -> bool {
    if !(26..=35).contains(&word.len()) {
        return false;
    }
    let mut bytes = [0_u8; 25];
    for symbol in word {
        let Some(value) = BASE58.iter().position(|known| known == symbol) else {
            return false;
        };
        let mut carry = value;
        for byte in bytes.iter_mut().rev() {
            carry += usize::from(*byte) * 58;
            *byte = (carry & 0xff) as u8;
            carry >>= 8;
        }
        if carry > 0 {
            return false;
        }
    }
    let (body, check) = bytes.split_at(21);
    let twice = Sha256::digest(Sha256::digest(body));
    matches!(body.first(), Some(0 | 5)) && twice.starts_with(check)
}

/// BIP 173 and BIP 350, all in one case.
fn is_bech32(word: &[u8]) -> bool {
    let is_mixed =
        word.iter().any(u8::is_ascii_lowercase) && word.iter().any(u8::is_ascii_uppercase);
    if is_mixed || !matches!(word.len(), 42 | 62) {
        return false;
    }
    // The human-readable part `bc`, expanded.
    let prefix = [3_u32, 3, 0, 2, 3];
    let data: Option<Vec<u32>> = word
        .iter()
        .skip(3)
        .map(|symbol| {
            let lower = symbol.to_ascii_lowercase();
            let place = BECH32.iter().position(|known| *known == lower)?;
            u32::try_from(place).ok()
        })
        .collect();
    let Some(data) = data else {
        return false;
    };
    let generators = [
        0x3b6a_57b2_u32,
        0x2650_8e6d,
        0x1ea1_19fa,
        0x3d42_33dd,
        0x2a14_62b3,
    ];
    let end = prefix.into_iter().chain(data).fold(1_u32, |check, value| {
        let top = check >> 25;
        let shifted = (check & 0x01ff_ffff) << 5 ^ value;
        let chosen = generators
            .iter()
            .enumerate()
            .filter(|(bit, _)| top >> bit & 1 == 1);
        chosen.fold(shifted, |sum, (_, generator)| sum ^ generator)
    });
    BECH32_ENDS.contains(&end)
}

/// EIP-55: the case of each letter follows the hash of the address. One case alone carries no
/// check, so that a word must tell it.
fn is_ethereum(body: &[u8], told: impl FnOnce() -> bool) -> bool {
    if !body.iter().all(u8::is_ascii_hexdigit) {
        return false;
    }
    let is_mixed =
        body.iter().any(u8::is_ascii_lowercase) && body.iter().any(u8::is_ascii_uppercase);
    if !is_mixed {
        return body.iter().any(|b| body.first() != Some(b)) && told();
    }
    let hash = Keccak256::digest(body.to_ascii_lowercase());
    let nibbles = hash.iter().flat_map(|byte| [byte >> 4, byte & 15]);
    body.iter().zip(nibbles).all(|(symbol, nibble)| {
        symbol.is_ascii_digit() || symbol.is_ascii_uppercase() == (nibble > 7)
    })
}
