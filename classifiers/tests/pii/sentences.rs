//! F1 over sentences of our own that no rule was written for.

use super::{PATTERNS, Random, find};

/// `{n}` is what people call the number, `{}` the number.
const SENTENCES: [&str; 40] = [
    "My {n} is {}.",
    "{n}: {}",
    "{n} {}",
    "{n}={}",
    "\"{n}\": \"{}\"",
    "Please update {n} {} in the file.",
    "Hi, can you check whether {n} {} is still valid? Thanks!",
    "The customer gave {} as their {n}, and later {n} {} again.",
    "For the records ({n} {}), see attached.",
    "I was asked for my {n}, which is {}, by the bank.",
    "{n} - {}\nName - Jo",
    "* {n}: {}\n* city: Bonn",
    "| {n} | {} |",
    "Subject: {n} {}\n\nDear all,",
    "{n} is {} and the rest follows by post.",
    "Does {n} {} belong to the same person?",
    "We could not find {n} {} in our system; please try again.",
    "<td>{n}</td><td>{}</td>",
    "{n},{}",
    "They entered {n} '{}' twice.",
    "user said: my {n}'s {} ok?",
    "{n} (as printed on the letter): {}",
    "According to the form the {n} reads {}.",
    "{n} ends up being {}…",
    "Here is my {n}:\n{}",
    "{n}\t{}",
    "Summarise: the applicant with {n} {} moved to Lyon in May.",
    "Translate this: 'Your {n} {} has been registered.'",
    "> {n}: {}",
    "1. {n}: {}",
    "{n} no. {}",
    "{n} # {}",
    "[{n}] {}",
    "Ref: {n} {}; status: open",
    "Write an email that includes {n} {} and asks for a call back.",
    "New hire, {n} {}, starts on Monday.",
    "What does it mean when {n} {} is rejected?",
    "Forward {n} {} to payroll, please.",
    "{n} of the patient: {}",
    "Call me about {n} {}!",
];

/// Entity, what people call it, shapes of valid numbers.
const SUBJECTS: &[(&str, &str, &str)] = &[
    ("card", "card", "4###############"),
    ("us_aba_routing", "routing number", "02#######"),
    ("us_npi", "NPI", "1#########"),
    ("us_dea", "DEA number", "B@#######"),
    ("uk_nhs_number", "NHS number", "### ### ####"),
    ("uk_utr", "UTR", "##########"),
    ("ie_ppsn", "PPSN", "#######@"),
    ("de_steuer_id", "Steuer-ID", "###########"),
    ("de_pension", "pension number", "15070649@###"),
    ("at_svnr", "SVNR", "#### 010180"),
    ("ch_ahv", "AHV number", "756.####.####.##"),
    ("nl_bsn", "BSN", "#########"),
    ("be_national_number", "national number", "85.07.30-###.##"),
    ("pl_pesel", "PESEL", "850730#####"),
    ("cz_birth_number", "birth number", "850730/####"),
    ("fr_nir", "NIR", "1850775######35"),
    ("it_codice_fiscale", "codice fiscale", "RSSMRA85%10A###@"),
    ("es_dni", "DNI", "########-@"),
    ("es_nie", "NIE", "Y#######@"),
    ("pt_nif", "NIF", "2########"),
    ("ro_cnp", "CNP", "1850730######"),
    ("tr_tckn", "TC kimlik", "1##########"),
    ("hr_oib", "OIB", "###########"),
    ("bg_egn", "EGN", "850730####"),
    ("se_personnummer", "personnummer", "850730-####"),
    ("fi_hetu", "HETU", "300785-###@"),
    ("no_fodselsnummer", "fødselsnummer", "300785#####"),
    ("ee_isikukood", "isikukood", "3850730####"),
    ("ca_sin", "SIN", "5## ### ###"),
    ("br_cpf", "CPF", "###.###.###-##"),
    ("br_cnpj", "CNPJ", "##.###.###/0001-##"),
    ("mx_curp", "CURP", "BOXW850730HDFLNR##"),
    ("cl_rut", "RUT", "12.###.###-#"),
    ("ar_cuit", "CUIT", "20-########-#"),
    ("au_tfn", "TFN", "### ### ###"),
    ("au_medicare", "Medicare number", "2### ##### 1"),
    ("au_abn", "ABN", "5# ### ### ###"),
    ("in_aadhaar", "Aadhaar", "2### #### ####"),
    ("sg_nric", "NRIC", "S#######@"),
    ("kr_rrn", "registration number", "850730-1######"),
    ("cn_resident_id", "resident id", "11010119850730####"),
    ("jp_my_number", "My Number", "############"),
    ("il_id", "Teudat Zehut", "#########"),
    ("za_id", "ID number", "850730####08#"),
    ("imei", "IMEI", "35#############"),
    ("vin", "VIN", "1M8GDM9A#KP0####8"),
    ("eu_vat", "VAT number", "DE#########"),
    ("ch_uid", "UID", "CHE-1##.###.###"),
];
const EACH: usize = 3;

/// Numbers of a shape that pass, and the same with one wrong digit.
fn numbers(
    (entity, name, shape): (&'static str, &str, &str),
    random: &mut Random,
) -> [Vec<String>; 2] {
    let passes = |number: &str| {
        let text = format!("{name} {number} ok");
        find(&text).contains(&(entity, number))
    };
    let [mut right, mut wrong] = [Vec::new(), Vec::new()];
    for _ in 0..200_000 {
        let number = random.shape(shape);
        if passes(&number) {
            let places: Vec<usize> = number
                .match_indices(|c: char| c.is_ascii_digit())
                .map(|(at, _)| at)
                .collect();
            let at = random.pick(&places);
            let old: u8 = number[at..=at].parse().unwrap();
            let mut corrupted = number.clone();
            let digit = (usize::from(old) + 1 + random.below(9)) % 10;
            corrupted.replace_range(at..=at, &digit.to_string());
            right.push(number);
            wrong.push(corrupted);
        }
        if right.len() == EACH {
            break;
        }
    }
    assert_eq!(
        right.len(),
        EACH,
        "{entity}: too few numbers of {shape} pass"
    );
    [right, wrong]
}

#[test]
fn checksummed_types_in_unseen_sentences_reach_an_f1_of_ninety() {
    let mut random = Random::new();
    let mut poor = Vec::new();
    for subject in SUBJECTS {
        let (entity, name, _) = *subject;
        let label = PATTERNS
            .entities()
            .into_iter()
            .find(|(known, _)| *known == entity)
            .unwrap()
            .1;
        let (mut hits, mut misses, mut alarms) = (0, 0, 0);
        for sentence in SENTENCES {
            let [right, wrong] = numbers(*subject, &mut random);
            let filled = |number: &str| sentence.replace("{n}", name).replace("{}", number);
            for number in right {
                let text = filled(&number);
                let expected = text.matches(number.as_str()).count();
                let found = PATTERNS.find(&text);
                let found = found
                    .iter()
                    .filter(|(found, span)| found == label && text[span.start..span.end] == number);
                let found = found.count();
                hits += found;
                misses += expected - found;
            }
            for number in wrong {
                let text = filled(&number);
                alarms += PATTERNS
                    .find(&text)
                    .iter()
                    .filter(|(found, _)| found == label)
                    .count();
            }
        }
        let (precision, recall) = (ratio(hits, hits + alarms), ratio(hits, hits + misses));
        let f1 = 2.0 * precision * recall / (precision + recall);
        println!("{entity:<20} precision {precision:.3} recall {recall:.3} F1 {f1:.3}");
        if f1 < 0.90 {
            poor.push((entity, f1));
        }
    }
    assert!(poor.is_empty(), "{poor:?}");
}

fn ratio(part: usize, whole: usize) -> f64 {
    part as f64 / whole.max(1) as f64
}
