//! python-stdnum, which shares no code with us, says the same of random numbers.

use std::io::Write;
use std::process::{Command, Stdio};

use super::{Random, find};

/// Entity, what tells it, module of stdnum, shape of the candidates.
const SUBJECTS: &[(&str, &str, &str, &str)] = &[
    ("us_aba_routing", "routing", "us.rtn", "0########"),
    ("uk_nhs_number", "NHS", "gb.nhs", "##########"),
    ("uk_utr", "UTR", "gb.utr", "##########"),
    ("ie_ppsn", "PPSN", "ie.pps", "#######@"),
    ("de_steuer_id", "Steuer-ID", "de.idnr", "###########"),
    ("at_svnr", "SVNR", "at.vnr", "####010180"),
    ("ch_ahv", "AHV", "ch.ssn", "756##########"),
    ("nl_bsn", "BSN", "nl.bsn", "#########"),
    ("be_national_number", "INSZ", "be.nn", "850730#####"),
    ("pl_pesel", "PESEL", "pl.pesel", "850730#####"),
    ("cz_birth_number", "birth number", "cz.rc", "850730####"),
    ("fr_nir", "NIR", "fr.nir", "185077512345###"),
    (
        "it_codice_fiscale",
        "CF",
        "it.codicefiscale",
        "RSSMRA85T10A5##@",
    ),
    ("es_dni", "DNI", "es.dni", "######## @"),
    ("es_nie", "NIE", "es.nie", "X#######@"),
    ("ro_cnp", "CNP", "ro.cnp", "18507301#####"),
    ("tr_tckn", "kimlik", "tr.tckimlik", "###########"),
    ("hr_oib", "OIB", "hr.oib", "###########"),
    ("bg_egn", "EGN", "bg.egn", "850730####"),
    (
        "se_personnummer",
        "personnummer",
        "se.personnummer",
        "850730####",
    ),
    ("fi_hetu", "HETU", "fi.hetu", "300785-1##@"),
    ("no_fodselsnummer", "fnr", "no.fodselsnummer", "3007852####"),
    ("ee_isikukood", "isikukood", "ee.ik", "3850730####"),
    ("ca_sin", "SIN", "ca.sin", "4########"),
    ("br_cpf", "CPF", "br.cpf", "###########"),
    ("br_cnpj", "CNPJ", "br.cnpj", "##############"),
    ("mx_curp", "CURP", "mx.curp", "BOXW850730HDFLNR##"),
    ("ar_cuit", "CUIT", "ar.cuit", "20#########"),
    ("au_tfn", "TFN", "au.tfn", "#########"),
    ("au_abn", "ABN", "au.abn", "###########"),
    ("in_aadhaar", "Aadhaar", "in_.aadhaar", "2###########"),
    ("kr_rrn", "", "kr.rrn", "850730-13#####"),
    ("cn_resident_id", "", "cn.ric", "110101198507300###"),
    ("za_id", "ID number", "za.idnr", "8507305###08#"),
    ("imei", "IMEI", "imei", "49#############"),
    ("eu_vat", "VAT", "at.uid", "ATU########"),
    ("eu_vat", "VAT", "de.vat", "DE1########"),
    ("eu_vat", "VAT", "fr.tva", "FR###########"),
    ("eu_vat", "VAT", "gb.vat", "GB9########"),
    ("eu_vat", "VAT", "it.iva", "IT#######012#"),
    ("eu_vat", "VAT", "pl.nip", "PL##########"),
    ("eu_vat", "VAT", "es.nif", "ESB########"),
    ("eu_vat", "VAT", "fi.alv", "FI2#######"),
    ("eu_vat", "VAT", "lt.pvm", "LT#######1#"),
    ("eu_vat", "VAT", "gr.vat", "EL0########"),
    ("eu_vat", "VAT", "lu.tva", "LU########"),
    ("eu_vat", "VAT", "si.ddv", "SI1#######"),
    ("ch_uid", "", "ch.uid", "CHE1########"),
];

const JUDGE: &str = r"
import importlib, sys
try:
    import stdnum
except ImportError:
    sys.exit(77)
for line in sys.stdin:
    name, number = line.rstrip('\n').split('\t')
    module = importlib.import_module('stdnum.' + name)
    sys.stdout.write('1' if module.is_valid(number.replace(' ', '')) else '0')
";
const EACH: usize = 1_500;

/// What stdnum says of each number; nothing where it is not installed.
fn judged(cases: &[(&str, String)]) -> Option<Vec<bool>> {
    let program = std::env::var_os("COUNTERSIGN_CLIENTS_PYTHON").unwrap_or("python3".into());
    let mut command = Command::new(program);
    command
        .args(["-c", JUDGE])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped());
    let mut child = command.spawn().ok()?;
    let lines: String = cases
        .iter()
        .map(|(name, n)| format!("{name}\t{n}\n"))
        .collect();
    let mut input = child.stdin.take().unwrap();
    let writing = std::thread::spawn(move || input.write_all(lines.as_bytes()));
    let output = child.wait_with_output().unwrap();
    let _broken_pipe = writing.join().unwrap();
    if output.status.code() == Some(77) {
        return None;
    }
    assert!(output.status.success(), "{output:?}");
    Some(output.stdout.iter().map(|byte| *byte == b'1').collect())
}

#[test]
fn another_implementation_says_the_same_of_random_numbers() {
    let mut random = Random::new();
    let mut cases = Vec::new();
    for (_, _, module, shape) in SUBJECTS {
        cases.extend((0..EACH).map(|_| (*module, random.shape(shape))));
    }
    let Some(judged) = judged(&cases) else {
        skip(
            "another_implementation_says_the_same_of_random_numbers",
            "Python has no stdnum",
        );
        return;
    };
    assert_eq!(judged.len(), cases.len());
    let mut wrong = Vec::new();
    for (index, (entity, name, module, _)) in SUBJECTS.iter().enumerate() {
        let range = index * EACH..(index + 1) * EACH;
        let mut valid = 0;
        for ((_, number), theirs) in cases[range.clone()].iter().zip(&judged[range]) {
            let text = format!("{name} {number} here");
            let ours = find(&text)
                .iter()
                .any(|(found, place)| found == entity && place == number);
            valid += usize::from(*theirs);
            if ours != *theirs
                && wrong
                    .iter()
                    .filter(|w: &&String| w.starts_with(module))
                    .count()
                    < 3
            {
                wrong.push(format!("{module} {number}: they say {theirs}"));
            }
        }
        println!("{module:<20} {valid:>4} of {EACH} valid");
        assert!(valid > 0, "{module}: no candidate is valid");
    }
    assert!(
        wrong.is_empty(),
        "{} differ: {:#?}",
        wrong.len(),
        &wrong[..wrong.len().min(20)]
    );
}

fn skip(test: &str, lack: &str) {
    let required = std::env::var("CI").is_ok_and(|ci| !ci.is_empty() && ci != "false");
    assert!(!required, "{test} must run here, but {lack}");
    eprintln!("SKIPPED {test}: {lack}");
    if let Some(path) = std::env::var_os("COUNTERSIGN_SKIPS") {
        let file = std::fs::OpenOptions::new()
            .append(true)
            .create(true)
            .open(path);
        writeln!(file.unwrap(), "{test}: {lack}").unwrap();
    }
}
