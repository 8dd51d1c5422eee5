//! Texts with and without findings. All numbers and keys are test values of their issuers or
//! invented.

/// Text with one finding: its label and what it covers.
pub(super) const FOUND: &[(&str, &str, &str)] = &[
    (
        "pii.email",
        "Write to jane.doe+news@mail.example.co.uk, please.",
        "jane.doe+news@mail.example.co.uk",
    ),
    (
        "pii.email",
        "我的邮箱是wang@example.cn。",
        "wang@example.cn",
    ),
    (
        "pii.phone",
        "Ring me: +49 (0)30 901820-0 today.",
        "+49 (0)30 901820-0",
    ),
    ("pii.phone", "Reach us at (415) 555-0132.", "(415) 555-0132"),
    (
        "pii.phone",
        "It is 415-555-0132, ask for Bo.",
        "415-555-0132",
    ),
    ("pii.phone", "My office is +442079460958", "+442079460958"),
    (
        "pii.phone",
        "London 020 7946 0958 answers.",
        "020 7946 0958",
    ),
    ("pii.phone", "my phone number is 4155550132.", "4155550132"),
    (
        "pii.iban",
        "Pay DE89 3704 0044 0532 0130 00 now.",
        "DE89 3704 0044 0532 0130 00",
    ),
    (
        "pii.iban",
        "IBAN:GB29NWBK60161331926819.",
        "GB29NWBK60161331926819",
    ),
    (
        "pii.card",
        "Charge 4111 1111 1111 1111 please",
        "4111 1111 1111 1111",
    ),
    ("pii.card", "4111-1111-1111-1111", "4111-1111-1111-1111"),
    (
        "pii.card",
        "amex 378282246310005, thanks",
        "378282246310005",
    ),
    ("pii.card", "amex 3782 822463 10005!", "3782 822463 10005"),
    (
        "pii.card",
        "card 5555 5555 5555 4444 12/27 123",
        "5555 5555 5555 4444",
    ),
    (
        "pii.card",
        "4111\u{a0}1111\u{a0}1111\u{a0}1111",
        "4111\u{a0}1111\u{a0}1111\u{a0}1111",
    ),
    ("pii.ssn", "He gave 219-09-9999 as his.", "219-09-9999"),
    ("pii.ssn", "SSN: 219099999", "219099999"),
    ("pii.ip", "from 203.0.113.42: denied", "203.0.113.42"),
    ("pii.ip", "client 8.8.4.4 asked", "8.8.4.4"),
    (
        "pii.ip",
        "seen at 2001:db8:85a3::8a2e:370:7334.",
        "2001:db8:85a3::8a2e:370:7334",
    ),
    (
        "secret.aws_access_key",
        "key=AKIAIOSFODNN7EXAMPLE;",
        "AKIAIOSFODNN7EXAMPLE",
    ),
    (
        "secret.github_token",
        "ghp_16C7e42F292c6912E7710c838347Ae178B4a",
        "ghp_16C7e42F292c6912E7710c838347Ae178B4a",
    ),
    (
        "secret.openai_key",
        "sk-proj-aB3dE5fG7hI9jK1lM3nO5pQ7-rS9_tU",
        "sk-proj-aB3dE5fG7hI9jK1lM3nO5pQ7-rS9_tU",
    ),
    (
        "secret.openai_key",
        "use sk-aB3dE5fG7hI9jK1lM3nO5pQ7rS9tU1vW3xY5zA7bC9dE1fG3 here",
        "sk-aB3dE5fG7hI9jK1lM3nO5pQ7rS9tU1vW3xY5zA7bC9dE1fG3",
    ),
    (
        "secret.anthropic_key",
        "sk-ant-api03-aB3dE5fG7hI9jK1lM3nO5pQ7rS9-AA",
        "sk-ant-api03-aB3dE5fG7hI9jK1lM3nO5pQ7rS9-AA",
    ),
    (
        "secret.google_api_key",
        "AIzaSyA1b2C3d4E5f6G7h8I9j0K1l2M3n4O5p6Q",
        "AIzaSyA1b2C3d4E5f6G7h8I9j0K1l2M3n4O5p6Q",
    ),
    (
        "secret.slack_token",
        "xoxb-17653672481-19874698323-pdFZKVeTuE8sk7oOHBrzbqgy",
        "xoxb-17653672481-19874698323-pdFZKVeTuE8sk7oOHBrzbqgy",
    ),
    (
        "secret.stripe_key",
        "STRIPE=sk_live_4eC39HqLyjWDarjtT1zdp7dc",
        "sk_live_4eC39HqLyjWDarjtT1zdp7dc",
    ),
    (
        "secret.jwt",
        "Bearer eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxMjM0NTY3ODkwIn0.dozjgNryP4J3jVmNHl0w5N_XgL0n3I9P",
        "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxMjM0NTY3ODkwIn0.dozjgNryP4J3jVmNHl0w5N_XgL0n3I9P",
    ),
    ("secret.private_key", KEY_TEXT, KEY),
];

pub(super) const KEY_TEXT: &str = "Here:\n-----BEGIN RSA PRIVATE KEY-----\nProc-Type: 4,ENCRYPTED\n\nMIIEowIBAAKCAQEA2Z3qX2BTLS4e0aDvVq3w7TDk\nq83vEjRWeA==\n-----END RSA PRIVATE KEY-----\nKeep it.";
const KEY: &str = "-----BEGIN RSA PRIVATE KEY-----\nProc-Type: 4,ENCRYPTED\n\nMIIEowIBAAKCAQEA2Z3qX2BTLS4e0aDvVq3w7TDk\nq83vEjRWeA==\n-----END RSA PRIVATE KEY-----";

/// Text without any finding.
pub(super) const QUIET: &[&str] = &[
    "123e4567-e89b-12d3-a456-426614174000",
    "550e8400-e29b-41d4-a716-446655440000 and 12345678-1234-1234-1234-123456789012",
    "commit 9fceb02d0ae598e95dc970b74767f19372d61af8",
    "sha 4111111111111111411111111111111141111111",
    "version 10.0.19.4 of the tool, v2.11.0.17, Chrome/120.0.6099.109, 1.2.3.4",
    "Order 1234567890123456 shipped on 2024-01-15, invoice 2024-000123-4567.",
    "On 01-02-2024 12:30 and 2024.01.15; at 1700000000000 ms; 12/31/1999",
    "pi is 3.14159265358979323846, e is 2.71828182845904523536, 0.4111111111111111",
    "ISBN 978-3-16-148410-0, part 12-3456-78, 100 000 000 people, 1,234,567.89 EUR",
    "127.0.0.1 and 0.0.0.0 and 255.255.255.255 and 300.1.2.3",
    "std::net::Ipv6Addr, a::b, ::1, 12:30:45, aa:bb:cc:dd:ee:ff",
    "git@github.com:org/repo.git, npm@latest, icon@2x.png, pkg@1.0.0-beta.rc, @user",
    "000-12-3456, 666-12-3456, 912-34-5678, 123-00-4567, 123-45-0000",
    "sk-loading-indicator-with-a-long-name, sk-XXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXX, ghp_short",
    "AKIA, AKIAlowercaseletters0, AKIAIOSFODNN7EXAMPLEMORE",
    "DE89 3704 0044 0532 0130 01, DE12345, GB29NWBK60161331926818",
    "4111 1111 1111 1112, 1234 5678 9012 3456",
    "-----BEGIN CERTIFICATE-----\nMIIDdzCCAl+gAwIBAgIEAgAAuTANBgkqhkiG9w0BAQUFADBa\n-----END CERTIFICATE-----",
    "A key starts with -----BEGIN PRIVATE KEY----- and then comes base64.",
    "eyJ is how a token starts; eyJhbGci.eyJ is none",
    "Rooms 101, 102, 103 and 415 to 555; scores 21-19, 18-21, 21-15.",
];
