//! Credentials of the vendors. None stands here as it is: each is put together while the test runs,
//! so that nobody's scanner takes this file for a leak.

use super::{Random, assert_never_released_in_part, find};

const HEX: &str = "0123456789abcdef";
const LOWER: &str = "abcdefghijklmnopqrstuvwxyz0123456789";
const UPPER: &str = "ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789";
const ALNUM: &str = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789";

/// Entity, prefix, alphabet and length of what follows.
const PREFIXED: &[(&str, &str, &str, usize)] = &[
    ("aws_access_key", "AK|IA", UPPER, 16),
    ("aws_access_key", "AS|IA", UPPER, 16),
    ("github_token", "github_|pat_", ALNUM, 82),
    ("gitlab_token", "gl|pat-", ALNUM, 20),
    ("gitlab_token", "gl|rt-", ALNUM, 20),
    ("anthropic_key", "sk-|ant-api03-", ALNUM, 93),
    ("openrouter_key", "sk-|or-v1-", HEX, 64),
    ("openai_key", "sk-|proj-", ALNUM, 100),
    ("openai_key", "sk|-", ALNUM, 48),
    ("google_api_key", "AI|za", ALNUM, 35),
    ("google_oauth_secret", "GOC|SPX-", ALNUM, 28),
    ("google_oauth_access", "ya|29.", ALNUM, 120),
    ("google_oauth_refresh", "1/|/0", ALNUM, 60),
    ("slack_token", "xo|xb-", ALNUM, 40),
    ("stripe_key", "sk|_live_", ALNUM, 24),
    ("npm_token", "npm|_", ALNUM, 36),
    ("pypi_token", "py|pi-AgE", ALNUM, 160),
    ("crates_io_token", "ci|o", ALNUM, 32),
    ("docker_token", "dckr|_pat_", ALNUM, 27),
    ("rubygems_token", "ruby|gems_", HEX, 48),
    ("nuget_key", "oy|2", LOWER, 43),
    ("huggingface_token", "h|f_", ALNUM, 34),
    ("replicate_token", "r|8_", ALNUM, 37),
    ("groq_key", "gs|k_", ALNUM, 52),
    ("xai_key", "xa|i-", ALNUM, 80),
    ("perplexity_key", "ppl|x-", ALNUM, 48),
    ("twilio_key", "S|K", HEX, 32),
    ("mailgun_key", "ke|y-", HEX, 32),
    ("brevo_key", "xkey|sib-", HEX, 81),
    ("shopify_token", "shp|at_", HEX, 32),
    ("square_token", "EA|AA", ALNUM, 60),
    ("square_token", "sq0|atp-", ALNUM, 22),
    ("braintree_token", "access_|token$production$", LOWER, 49),
    ("razorpay_key", "rzp|_live_", ALNUM, 14),
    ("digitalocean_token", "dop|_v1_", HEX, 64),
    ("databricks_token", "da|pi", HEX, 32),
    ("heroku_key", "HR|KU-", ALNUM, 60),
    ("cloudflare_origin_key", "v1|.0-", HEX, 168),
    ("vault_token", "hv|s.", ALNUM, 95),
    ("pulumi_token", "pu|l-", HEX, 40),
    ("doppler_token", "dp.|pt.", ALNUM, 43),
    ("supabase_token", "sb|p_", HEX, 40),
    ("netlify_token", "nf|p_", ALNUM, 36),
    ("planetscale_token", "pscale|_tkn_", ALNUM, 43),
    ("atlassian_token", "ATA|TT3", ALNUM, 186),
    ("atlassian_token", "AT|BB", ALNUM, 32),
    ("linear_key", "lin|_api_", ALNUM, 40),
    ("notion_token", "nt|n_", ALNUM, 46),
    ("newrelic_key", "NR|AK-", UPPER, 27),
    ("figma_token", "fi|gd_", ALNUM, 40),
    ("sentry_token", "sntr|yu_", HEX, 64),
    ("grafana_token", "gl|sa_", ALNUM, 41),
    ("postman_key", "PM|AK-", HEX, 59),
    ("contentful_token", "CF|PAT-", ALNUM, 43),
];

/// Entity, sentence and what in it is the credential.
pub(crate) fn assembled() -> Vec<(&'static str, String, String)> {
    let mut random = Random::new();
    let mut all: Vec<(&'static str, String, String)> = PREFIXED
        .iter()
        .map(|(entity, prefix, alphabet, length)| {
            let token = prefix.replace('|', "") + &mixed(&mut random, alphabet, *length);
            (*entity, format!("Use {token} for it."), token)
        })
        .collect();
    let github = ["gh", "p_", "zQWBuTSOoRi4A9spHcVY5ncnsDkxkJ", "0mLq17"].concat();
    all.push(("github_token", format!("token={github}"), github));
    all.extend(told(&mut random));
    all.extend(shaped(&mut random));
    all.extend(assigned(&mut random));
    all
}

/// Symbols drawn until they look so.
fn mixed(random: &mut Random, alphabet: &str, length: usize) -> String {
    loop {
        let drawn = random.draw(alphabet, length);
        let kinds: std::collections::BTreeSet<char> = drawn.chars().collect();
        let has = |is: fn(&char) -> bool| drawn.chars().any(|c| is(&c));
        let letters = drawn.chars().filter(char::is_ascii_alphabetic).count();
        if kinds.len() > 7 && has(char::is_ascii_digit) && letters > 1 {
            return drawn;
        }
    }
}

fn told(random: &mut Random) -> Vec<(&'static str, String, String)> {
    let uuid = [8, 4, 4, 4, 12]
        .map(|length| mixed_hex(random, length))
        .join("-");
    let hex = |length, random: &mut Random| mixed(random, HEX, length);
    let (cloudflare, datadog) = (hex(37, random), hex(32, random));
    let (newrelic, twilio) = (hex(40, random), hex(32, random));
    vec![
        ("heroku_key", format!("Heroku says {uuid} now"), uuid),
        (
            "cloudflare_key",
            format!("Cloudflare says {cloudflare} now"),
            cloudflare,
        ),
        (
            "datadog_key",
            format!("Datadog says {datadog} now"),
            datadog,
        ),
        (
            "newrelic_key",
            format!("New Relic says {newrelic} now"),
            newrelic,
        ),
        ("twilio_key", format!("Twilio says {twilio} now"), twilio),
    ]
}

fn mixed_hex(random: &mut Random, length: usize) -> String {
    random.draw(HEX, length)
}

fn shaped(random: &mut Random) -> Vec<(&'static str, String, String)> {
    let mut part = |length| mixed(random, ALNUM, length);
    let sendgrid = format!("S{}.{}.{}", "G", part(22), part(43));
    let telegram = format!("{}:{}{}", 123_456_789, "AA", part(33));
    let discord = format!("M{}.{}.{}", part(23), random_six(&part(20)), part(27));
    let terraform = format!("{}.{}v1.{}", part(14), "atlas", part(67));
    let azure = format!("{}8{}~{}", "aB3", "Q", part(34));
    let slack = format!("T{}/B{}/{}", "0AB12CD34", "0EF56GH78", part(24));
    let hook = format!("9035127768210{}/{}", "44871", part(68));
    let signature = part(43) + "%3D";
    let mailchimp = mixed(random, HEX, 32) + "-us" + "12";
    let head = ["ey", "JhbGciOiJIUzI1NiJ9"].concat();
    let token = format!(
        "{head}.{}.{}",
        "eyJzdWIiOiIxMjM0NTY3ODkwIn0",
        mixed(random, ALNUM, 43)
    );
    let body = mixed(random, ALNUM, 64);
    let key = format!(
        "-----BEGIN {0} KEY-----\n{body}\n-----END {0} KEY-----",
        "PRIVATE"
    );
    let webhook = |host: &str, path: &str| format!("post to https://{host}/{path} daily");
    let signed = format!("https://a.blob.core.windows.net/c?sv=2022-11-02&sig={signature}&x=1");
    vec![
        ("sendgrid_key", format!("Use {sendgrid} now"), sendgrid),
        (
            "telegram_bot_token",
            format!("Use {telegram} now"),
            telegram,
        ),
        ("discord_bot_token", format!("Use {discord} now"), discord),
        ("terraform_token", format!("Use {terraform} now"), terraform),
        ("azure_client_secret", format!("Use {azure} now"), azure),
        ("mailchimp_key", format!("Use {mailchimp} now"), mailchimp),
        (
            "slack_webhook",
            webhook("hooks.slack.com/services", &slack),
            slack,
        ),
        (
            "discord_webhook",
            webhook("discord.com/api/webhooks", &hook),
            hook,
        ),
        ("azure_sas", signed, signature),
        ("jwt", format!("Bearer {token} ok"), token),
        ("private_key", format!("Here:\n{key}\nok"), key),
    ]
}

fn random_six(from: &str) -> &str {
    &from[..6]
}

fn assigned(random: &mut Random) -> Vec<(&'static str, String, String)> {
    let password = ["Tr0ub", "4dor", "&3"].concat();
    let aws = mixed(random, ALNUM, 20) + "/" + &mixed(random, ALNUM, 19);
    let azure = mixed(random, ALNUM, 86) + "==";
    let (google, key) = (mixed(random, HEX, 40), mixed(random, ALNUM, 32));
    let chosen = ["h4rd-", "t0-", "Gue55!"].concat();
    vec![
        (
            "password",
            format!("my password is {password}, keep it"),
            password.clone(),
        ),
        (
            "password",
            format!("{{\"password\": \"{chosen}\", \"a\": 1}}"),
            chosen.clone(),
        ),
        (
            "password",
            format!("DB_PASSWORD={chosen}\nPORT=1"),
            chosen.clone(),
        ),
        (
            "password",
            format!("Server=a;Database=b;User Id=c;Pwd={chosen};"),
            chosen.clone(),
        ),
        ("assigned_key", format!("api_key = '{key}'"), key.clone()),
        ("assigned_key", format!("x-api-key: {key}"), key.clone()),
        (
            "assigned_key",
            format!("{{\\\"clientSecret\\\":\\\"{key}\\\"}}"),
            key,
        ),
        (
            "aws_secret_key",
            format!("aws_secret_access_key = {aws}"),
            aws,
        ),
        (
            "azure_account_key",
            format!("AccountName=a;AccountKey={azure};b=c"),
            azure,
        ),
        (
            "gcp_service_account",
            format!("\"private_key_id\": \"{google}\","),
            google,
        ),
        (
            "url_credentials",
            format!("git clone https://me:{chosen}@example.org/a"),
            chosen.clone(),
        ),
        (
            "database_url",
            format!("postgres://app:{chosen}@db.internal:5432/a"),
            chosen,
        ),
    ]
}

#[test]
fn the_credentials_of_every_vendor_are_found_exactly_where_they_stand() {
    let wrong: Vec<String> = assembled()
        .into_iter()
        .filter_map(|(entity, text, token)| {
            let found = find(&text);
            (found != [(entity, token.as_str())]).then(|| format!("{entity}: {text:?}: {found:?}"))
        })
        .collect();
    assert!(wrong.is_empty(), "{wrong:#?}");
}

#[test]
fn no_split_of_a_credential_releases_a_part_of_it() {
    for (_, text, _) in assembled() {
        assert_never_released_in_part(&text);
        assert_never_released_in_part(&format!("a, {text}\n{text}"));
    }
}

#[test]
fn a_github_token_with_a_valid_checksum_needs_no_look_of_chance() {
    let dull = "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaa";
    let right = ["gh", "p_", dull, "1yLcDB"].concat();
    let checked: Vec<String> = [right.clone(), right.replace("1yLcDB", "1yLcD1")]
        .into_iter()
        .filter(|token| !find(token).is_empty())
        .collect();
    assert_eq!(checked, [right]);
}

/// What stands in place of a secret, and code that speaks of secrets.
const HARMLESS: &[&str] = &[
    "password = os.environ[\"DB_PASSWORD\"]",
    "password: String, token: Option<Token>,",
    "let password = prompt_password()?; token = lexer.next_token();",
    "PASSWORD=changeme API_KEY=your-key-here SECRET=${SECRET}",
    "api_key: \"YOUR_API_KEY_HERE_1234\", token: \"xxxxxxxxxxxxxxxxxxxx\"",
    "api_key = \"<insert your key 12345>\" # replace",
    "the password is required, and the token is checked",
    "password_hash = \"5f4dcc3b5aa765d61d8327deb882cf99\"",
    "token == other_token && secret != expected_secret_2",
    "postgres://user:password@localhost/db and http://user:pass@localhost",
    "https://example.com:8080/a@b, http://localhost:3000, git@github.com:a/b.git",
    "mongodb://${USER}:${PASS}@host/, redis://:{password}@host",
    "\"integrity\": \"sha512-Zi5CvZ1xjq8wHfY5bVdJj3uAvR2dHQ6mXo1nYlKc7e0==\"",
    "checksum = \"9fceb02d0ae598e95dc970b74767f19372d61af8\"",
    "token: \"550e8400-e29b-41d4-a716-446655440000\"",
    "secret: projects/1234567/secrets/database-url/versions/12",
    "Token::new(TokenKind::Ident, 12..34); secret_key: SecretKey<32>",
    "sk_live_xxxxxxxxxxxxxxxxxxxxxxxx ghp_xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx",
    "#ff00aa #1a2b3c4d rgba(12, 34, 56, 0.7) v1.0-beta.3 1.2.3-rc.4+build.5",
    "data:image/png;base64,iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk",
    "password: '********', pwd=\"\", secret: null, token: undefined",
    "errors.password.too_short = Your password: at least 8 characters",
    "<input type=\"password\" name=\"password\" autocomplete=\"new-password\">",
];

#[test]
fn placeholders_and_code_about_secrets_are_quiet() {
    let loud: Vec<_> = HARMLESS
        .iter()
        .map(|text| (text, find(text)))
        .filter(|(_, found)| !found.is_empty())
        .collect();
    assert!(loud.is_empty(), "{loud:#?}");
}
