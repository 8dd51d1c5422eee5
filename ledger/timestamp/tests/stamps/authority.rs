//! A time-stamping authority of this machine's own: certificates and tokens by the `openssl`
//! command line.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::time::Duration;

use countersign_ledger_timestamp::Request;
use der::asn1::GeneralizedTime;
use der::{Any, Decode, Encode, Tag};
use jiff::Timestamp;
use tempfile::TempDir;
use x509_tsp::{TimeStampReq, TspVersion, TstInfo};

/// Extensions of a proper signing certificate.
pub(crate) const PROPER: &str = "extendedKeyUsage=critical,timeStamping\n\
    keyUsage=critical,digitalSignature\nsubjectKeyIdentifier=hash\n";

const CONFIG: &str = "
[tsa]
default_tsa = here
[here]
serial = DIR/serial
default_policy = 1.3.6.1.4.1.55555.1
digests = DIGESTS
signer_digest = sha256
accuracy = secs:1, millisecs:500
clock_precision_digits = 3
ordering = yes
tsa_name = yes
ess_cert_id_chain = no
ess_cert_id_alg = sha256
[ca]
default_ca = root
[root]
database = DIR/index.txt
new_certs_dir = DIR
serial = DIR/ca-serial
default_md = sha256
policy = anything
unique_subject = no
[anything]
commonName = supplied
";

/// A root, an intermediate and signing certificates in a folder of their own.
#[derive(Debug)]
pub(crate) struct Authority {
    dir: TempDir,
    /// What its answers hold beside the signing certificate, as arguments of `openssl ts`.
    chain: &'static str,
}

/// The kind of a signing key, as arguments of `openssl genpkey`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Key {
    Rsa,
    P256,
    P384,
    Ed25519,
}

impl Authority {
    /// An authority with a signing certificate `tsa`; none where there is no `openssl`.
    pub(crate) fn with(key: Key) -> Option<Self> {
        if Command::new("openssl").arg("version").output().is_err() {
            countersign_tests::machine::skip("timestamps", "there is no openssl");
            return None;
        }
        let authority = Self {
            dir: tempfile::tempdir().unwrap(),
            chain: "-chain inter.pem",
        };
        let folder = authority.dir.path().to_str().unwrap();
        for (name, digests) in [("tsa.cnf", "sha256"), ("strict.cnf", "sha512")] {
            let config = CONFIG.replace("DIR", folder).replace("DIGESTS", digests);
            authority.write(name, config.as_bytes());
        }
        authority.write("serial", b"01\n");
        authority.write("ca-serial", b"01\n");
        authority.write("index.txt", b"");
        let ca = "basicConstraints=critical,CA:TRUE\nsubjectKeyIdentifier=hash\n";
        authority.key("root", Key::P256);
        authority.openssl("req -x509 -new -key root.key -subj /CN=Root -days 30 -out root.pem");
        authority.key("inter", Key::P384);
        authority.certify("inter", ca, "root");
        authority.key("tsa", key);
        authority.certify("tsa", PROPER, "inter");
        Some(authority)
    }

    /// An authority whose signing certificate the root issued itself.
    pub(crate) fn direct(key: Key) -> Option<Self> {
        let authority = Self::with(key)?;
        authority.certify("tsa", PROPER, "root");
        Some(Self {
            chain: "",
            ..authority
        })
    }

    /// Makes a private key.
    pub(crate) fn key(&self, name: &str, key: Key) {
        let kind = match key {
            Key::Rsa => "RSA -pkeyopt rsa_keygen_bits:2048",
            Key::P256 => "EC -pkeyopt ec_paramgen_curve:P-256",
            Key::P384 => "EC -pkeyopt ec_paramgen_curve:P-384",
            Key::Ed25519 => "ED25519",
        };
        self.openssl(&format!("genpkey -algorithm {kind} -out {name}.key"));
    }

    /// Certifies the key `name` with these extensions.
    pub(crate) fn certify(&self, name: &str, extensions: &str, issuer: &str) {
        self.write("extensions", extensions.as_bytes());
        self.openssl(&format!(
            "req -new -key {name}.key -subj /CN={name} -out {name}.csr"
        ));
        self.openssl(&format!(
            "x509 -req -in {name}.csr -CA {issuer}.pem -CAkey {issuer}.key -days 20 \
             -extfile extensions -out {name}.pem"
        ));
    }

    /// Certifies the key `name` by the root for the year 2020 alone.
    pub(crate) fn certify_for_2020(&self, name: &str) {
        self.write("extensions", PROPER.as_bytes());
        self.openssl(&format!(
            "req -new -key {name}.key -subj /CN={name} -out {name}.csr"
        ));
        self.openssl(&format!(
            "ca -batch -notext -config tsa.cnf -in {name}.csr -cert root.pem -keyfile root.key \
             -startdate 20200101000000Z -enddate 20210101000000Z -extfile extensions -out {name}.pem"
        ));
    }

    /// A key with a proper certificate that nobody but itself issued.
    pub(crate) fn self_certify(&self, name: &str) {
        self.key(name, Key::P256);
        self.write("extensions", PROPER.as_bytes());
        self.openssl(&format!(
            "req -new -key {name}.key -subj /CN={name} -out {name}.csr"
        ));
        self.openssl(&format!(
            "x509 -req -in {name}.csr -signkey {name}.key -days 20 -extfile extensions -out {name}.pem"
        ));
    }

    /// The root certificate in PEM.
    pub(crate) fn root(&self) -> Vec<u8> {
        fs::read(self.path("root.pem")).unwrap()
    }

    /// Answers a request honestly with the certificate `tsa`.
    pub(crate) fn reply(&self, request: &[u8]) -> Vec<u8> {
        self.reply_with("tsa.cnf", request)
    }

    /// Refuses a request, because it allows SHA-512 alone.
    pub(crate) fn refuse(&self, request: &[u8]) -> Vec<u8> {
        self.reply_with("strict.cnf", request)
    }

    fn reply_with(&self, config: &str, request: &[u8]) -> Vec<u8> {
        self.write("query.tsq", request);
        self.openssl(&format!(
            "ts -reply -config {config} -queryfile query.tsq -signer tsa.pem -inkey tsa.key \
             {chain} -out reply.tsr",
            chain = self.chain
        ));
        fs::read(self.path("reply.tsr")).unwrap()
    }

    /// An answer with a token over `info`, signed by `openssl cms` with `options`.
    pub(crate) fn craft(&self, info: &[u8], options: &str) -> Vec<u8> {
        self.write("info.der", info);
        self.openssl(&format!(
            "cms -sign -binary -nodetach -in info.der -outform DER -certfile inter.pem \
             -out token.der {options}"
        ));
        answer(&fs::read(self.path("token.der")).unwrap())
    }

    /// What `openssl ts -verify` says of `response` for `note`, both files, at an instant.
    pub(crate) fn verified_at(&self, time: Timestamp, note: &Path, response: &Path) -> Output {
        let mut command = Command::new("openssl");
        command.args(["ts", "-verify", "-CAfile", "root.pem"]);
        command.arg("-data").arg(note).arg("-in").arg(response);
        command.arg("-attime").arg(time.as_second().to_string());
        command.current_dir(self.dir.path()).output().unwrap()
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    fn write(&self, name: &str, bytes: &[u8]) {
        fs::write(self.path(name), bytes).unwrap();
    }

    fn openssl(&self, arguments: &str) {
        let mut command = Command::new("openssl");
        command.args(arguments.split_whitespace());
        let output = command.current_dir(self.dir.path()).output().unwrap();
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "openssl {arguments}: {said}");
    }
}

/// Options of `openssl cms` for a proper token by `name`.
pub(crate) fn proper(name: &str) -> String {
    format!(
        "-econtent_type 1.2.840.113549.1.9.16.1.4 -cades -md sha256 -signer {name}.pem \
         -inkey {name}.key"
    )
}

/// A granted `TimeStampResp` around a token.
pub(crate) fn answer(token: &[u8]) -> Vec<u8> {
    let granted = b"\x30\x03\x02\x01\x00";
    let body = [granted.as_slice(), token].concat();
    Any::new(Tag::Sequence, body).unwrap().to_der().unwrap()
}

/// [`tst_info`] in DER.
pub(crate) fn info(note: &str, time: Timestamp) -> Vec<u8> {
    tst_info(note, time).to_der().unwrap()
}

/// A `TSTInfo` over `note` at `time`, in whole seconds, without a nonce.
pub(crate) fn tst_info(note: &str, time: Timestamp) -> TstInfo {
    let request = Request::with_nonce(note.as_bytes(), 1).unwrap();
    let request = TimeStampReq::from_der(request.der()).unwrap();
    let seconds = Duration::from_secs(time.as_second().unsigned_abs());
    TstInfo {
        version: TspVersion::V1,
        policy: "1.3.6.1.4.1.55555.1".parse().unwrap(),
        message_imprint: request.message_imprint,
        serial_number: request.nonce.unwrap(),
        gen_time: GeneralizedTime::from_unix_duration(seconds).unwrap(),
        accuracy: None,
        ordering: false,
        nonce: None,
        tsa: None,
        extensions: None,
    }
}
