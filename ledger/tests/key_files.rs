//! Key files and signatures, judged by other people's programs.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

#[path = "key_files/machine.rs"]
mod machine;

use std::{
    fs,
    path::Path,
    process::{Command, Output},
};

use countersign_ledger::{
    Checkpoint, Note, VerifierKey,
    keys::{self, Passphrase},
};

const ORIGIN: &str = "example.com/ledger";
const SECRET: &str = "correct horse battery staple";

/// A program's output, or a skip when the program is missing.
fn run(test: &str, command: &mut Command) -> Option<Output> {
    match command.output() {
        Ok(output) => Some(output),
        Err(error) => {
            machine::skip(test, &format!("{command:?}: {error}"));
            None
        }
    }
}

fn openssl(test: &str, arguments: &[&str]) -> Option<Output> {
    run(test, Command::new("openssl").args(arguments))
}

/// The key that OpenSSL prints as PEM, without the envelope (RFC 8410: 12 bytes).
fn public_key(spki: &[u8]) -> Vec<u8> {
    spki.strip_prefix(&[0x30, 0x2a, 0x30, 5, 6, 3, 0x2b, 0x65, 0x70, 3, 0x21, 0])
        .unwrap()
        .to_vec()
}

fn passphrase() -> Passphrase {
    Passphrase::new(SECRET.to_owned()).unwrap()
}

#[test]
fn openssl_reads_our_key_files_and_finds_the_same_public_key() {
    let test = "openssl_reads_our_key_files_and_finds_the_same_public_key";
    for encrypted in [false, true] {
        let dir = tempfile::tempdir().unwrap();
        let secret = encrypted.then(passphrase);
        let (_, name) = keys::init(dir.path(), ORIGIN, secret.as_ref()).unwrap();
        let file = dir.path().join("keys/ledger.pem");
        let file = file.to_str().unwrap();
        let password = format!("pass:{SECRET}");
        let mut arguments = vec!["pkey", "-in", file, "-pubout", "-outform", "DER"];
        arguments.extend(["-passin", &password]);
        let Some(output) = openssl(test, &arguments) else {
            return;
        };
        assert!(output.status.success(), "{output:?}");
        assert_eq!(public_key(&output.stdout), name.public_key().as_bytes());
        if encrypted {
            let wrong = ["pkey", "-in", file, "-noout", "-passin", "pass:wrong"];
            let output = openssl(test, &wrong).unwrap();
            assert!(!output.status.success(), "it was not encrypted");
        }
    }
}

#[test]
fn keys_made_by_openssl_are_read() {
    let test = "keys_made_by_openssl_are_read";
    let password = format!("pass:{SECRET}");
    let scrypt = ["-scrypt"];
    let many = ["-v2", "aes-256-cbc", "-iter", "600000"];
    for again in [None, Some(&scrypt[..]), Some(&many[..])] {
        let dir = tempfile::tempdir().unwrap();
        fs::create_dir(dir.path().join("keys")).unwrap();
        let (file, first) = (dir.path().join("keys/ledger.pem"), dir.path().join("first"));
        let (file, first) = (file.to_str().unwrap(), first.to_str().unwrap());
        let mut make = vec!["genpkey", "-algorithm", "ed25519", "-out", file];
        make.extend(["-aes-256-cbc", "-pass", &password]);
        let Some(output) = openssl(test, &make) else {
            return;
        };
        assert!(output.status.success(), "{output:?}");
        if let Some(options) = again {
            fs::rename(file, first).unwrap();
            let mut convert = vec!["pkcs8", "-topk8", "-in", first, "-out", file];
            convert.extend(["-passin", &password, "-passout", &password]);
            convert.extend(options);
            let output = openssl(test, &convert).unwrap();
            assert!(output.status.success(), "{output:?}");
        }
        let show = [
            "pkey", "-in", file, "-passin", &password, "-pubout", "-outform", "DER",
        ];
        let key = public_key(&openssl(test, &show).unwrap().stdout);
        let key = key.as_slice().try_into().unwrap();
        let name = VerifierKey::new(ORIGIN, key).unwrap();
        fs::write(dir.path().join("keys/ledger.vkey"), format!("{name}\n")).unwrap();
        let (loaded, _) = keys::load(dir.path(), Some(&passphrase())).unwrap();
        assert_eq!(loaded.verifying_key(), key, "{again:?}");
    }
}

/// Checks an ML-DSA-44 line of a checkpoint from the specification alone. Arguments: the note, the
/// verifier key, the private key file and its passphrase.
const ML_DSA: &str = r#"
import base64, hashlib, struct, sys
try:
    from cryptography.hazmat.primitives.asymmetric import mldsa
    from cryptography.hazmat.primitives import serialization
except ImportError as error:
    print(error); sys.exit(77)
note, vkey, pem, secret = sys.argv[1:]
name, key_id, key = vkey.split("+", 2)
key = base64.b64decode(key)
assert key[0] == 6 and len(key) == 1 + 1312
assert hashlib.sha256(name.encode() + b"\n" + key).hexdigest()[:8] == key_id
text, lines = note.rsplit("\n\n", 1)
origin, size, root = text.split("\n")
found = 0
for line in lines.strip("\n").split("\n"):
    dash, signer, payload = line.split(" ")
    payload = base64.b64decode(payload)
    if (signer, payload[:4].hex()) != (name, key_id):
        continue
    stamp, signature = payload[4:12], payload[12:]
    message = b"subtree/v1\n\0" + bytes([len(name)]) + name.encode() + stamp
    message += bytes([len(origin)]) + origin.encode()
    message += struct.pack(">QQ", 0, int(size)) + base64.b64decode(root)
    public = mldsa.MLDSA44PublicKey.from_public_bytes(key[1:])
    public.verify(signature, message)
    found += 1
assert found == 1, found
private = serialization.load_pem_private_key(open(pem, "rb").read(), secret.encode() or None)
assert private.public_key().public_bytes_raw() == key[1:]
"#;

fn python(test: &str, note: &str, vkey: &str, file: &Path, secret: &str) -> Option<Output> {
    let program = std::env::var_os("COUNTERSIGN_CLIENTS_PYTHON").unwrap_or("python3".into());
    let mut command = Command::new(program);
    command
        .args(["-c", ML_DSA, note, vkey])
        .arg(file)
        .arg(secret);
    let output = run(test, &mut command)?;
    if output.status.code() == Some(77) {
        let lack = String::from_utf8_lossy(&output.stdout).into_owned();
        machine::skip(
            test,
            &format!("Python's cryptography has no ML-DSA: {lack}"),
        );
        return None;
    }
    Some(output)
}

#[test]
fn another_ml_dsa_verifies_the_second_signature_and_reads_its_key() {
    let test = "another_ml_dsa_verifies_the_second_signature_and_reads_its_key";
    for (secret, stamp) in [(None, 0), (Some(passphrase()), 1_764_000_000)] {
        let dir = tempfile::tempdir().unwrap();
        let (key, name) = keys::init(dir.path(), ORIGIN, None).unwrap();
        let second = keys::init_mldsa(dir.path(), ORIGIN, secret.as_ref()).unwrap();
        let checkpoint = Checkpoint {
            origin: ORIGIN.to_owned(),
            size: 70_000,
            root: [0xab; 32],
        };
        let mut note = Note::sign(checkpoint.to_string(), &name, &key).unwrap();
        second.sign(&mut note, stamp).unwrap();
        let vkey = second.verifier().to_string();
        let file = dir.path().join("keys/ledger-mldsa44.pem");
        let word = if secret.is_some() { SECRET } else { "" };
        let Some(output) = python(test, &note.to_string(), &vkey, &file, word) else {
            return;
        };
        assert!(output.status.success(), "{output:?}");
        let other = note.to_string().replacen("\n70000\n", "\n70001\n", 1);
        let output = python(test, &other, &vkey, &file, word).unwrap();
        assert!(!output.status.success(), "it verified another size");
        let printed = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(printed.contains("InvalidSignature"), "{printed}");
    }
}
