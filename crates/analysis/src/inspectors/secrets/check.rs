//! What tells a secret from something of the same form: checksums, entropy, and the looks of an example.

use base64::Engine as _;
use base64::alphabet;
use base64::engine::DecodePaddingMode;
use base64::engine::general_purpose::{GeneralPurpose, GeneralPurposeConfig};
use serde::Deserialize;

/// What must be right with a secret.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(super) enum Check {
    /// The last six characters are the CRC-32 of those after the prefix, in base 62 (GitHub, "Behind GitHub's new
    /// authentication token formats"; npm has the same).
    Github,
    /// The last eight are the CRC-32 of what is before, as hexadecimal bytes in little endian (Grafana, `satokengen`).
    Grafana,
    /// The checksum of BIP 173 is right, and the text in upper case (age, "The age file encryption format").
    Bech32,
    /// Base 64 of `user:password` (RFC 7617).
    BasicAuth,
    /// The first part is base 64 of a JSON object that names an algorithm (RFC 7515).
    Jwt,
    /// It has both letters and digits, as random texts have and names have not.
    LettersAndDigits,
}

impl Check {
    /// Whether nothing but the real thing passes.
    pub(super) fn is_proof(self) -> bool {
        matches!(self, Self::Github | Self::Grafana | Self::Bech32)
    }

    pub(super) fn accepts(self, secret: &[u8]) -> bool {
        match self {
            Self::Github => github(secret).is_some(),
            Self::Grafana => grafana(secret).is_some(),
            Self::Bech32 => bech32(secret).is_some(),
            Self::BasicAuth => basic_auth(secret).is_some(),
            Self::Jwt => jwt(secret).is_some(),
            Self::LettersAndDigits => {
                secret.iter().any(u8::is_ascii_digit) && secret.iter().any(u8::is_ascii_alphabetic)
            }
        }
    }
}

fn github(token: &[u8]) -> Option<()> {
    const DIGITS: &[u8; 62] = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";
    let start = token.iter().position(|&byte| byte == b'_')? + 1;
    let body = token.get(start..)?;
    let (body, sum) = body.split_at_checked(body.len().checked_sub(6)?)?;
    let mut number = crc32fast::hash(body);
    for digit in sum.iter().rev() {
        if DIGITS.get(number as usize % 62)? != digit {
            return None;
        }
        number /= 62;
    }
    Some(())
}

fn grafana(token: &[u8]) -> Option<()> {
    let (body, sum) = token.split_at_checked(token.len().checked_sub(9)?)?;
    let sum = sum.strip_prefix(b"_")?;
    (hex::encode(crc32fast::hash(body).to_le_bytes()).as_bytes() == sum).then_some(())
}

fn bech32(text: &[u8]) -> Option<()> {
    const DIGITS: &[u8; 32] = b"QPZRY9X8GF2TVDW0S3JN54KHCE6MUA7L";
    const GENERATOR: [u32; 5] = [0x3b6a_57b2, 0x2650_8e6d, 0x1ea1_19fa, 0x3d42_33dd, 0x2a14_62b3];
    let one = text.iter().rposition(|&byte| byte == b'1')?;
    let (name, data) = (text.get(..one)?.to_ascii_lowercase(), text.get(one + 1..)?);
    let mut values: Vec<u32> = name.iter().map(|&byte| u32::from(byte >> 5)).collect();
    values.push(0);
    values.extend(name.iter().map(|&byte| u32::from(byte & 31)));
    for digit in data {
        values.push(u32::try_from(DIGITS.iter().position(|known| known == digit)?).ok()?);
    }
    let checksum = values.into_iter().fold(1_u32, |sum, value| {
        let top = sum >> 25;
        let shifted = (sum & 0x01ff_ffff) << 5 ^ value;
        (0..).zip(GENERATOR).filter(|(bit, _)| top >> bit & 1 == 1).fold(shifted, |sum, (_, with)| sum ^ with)
    });
    (checksum == 1).then_some(())
}

/// Any alphabet, padded or not, with bits to spare.
fn base64(text: &[u8]) -> Option<Vec<u8>> {
    let config = GeneralPurposeConfig::new()
        .with_decode_padding_mode(DecodePaddingMode::Indifferent)
        .with_decode_allow_trailing_bits(true);
    let is_safe = text.iter().any(|byte| matches!(byte, b'-' | b'_'));
    let alphabet = if is_safe { &alphabet::URL_SAFE } else { &alphabet::STANDARD };
    GeneralPurpose::new(alphabet, config).decode(text).ok()
}

fn basic_auth(text: &[u8]) -> Option<()> {
    let plain = base64(text)?;
    let colon = plain.iter().position(|&byte| byte == b':')?;
    let (user, password) = (plain.get(..colon)?, plain.get(colon + 1..)?);
    let is_text = std::str::from_utf8(&plain).is_ok_and(|text| !text.contains(char::is_control));
    (is_text && !user.is_empty() && !password.is_empty() && !is_placeholder(password)).then_some(())
}

fn jwt(token: &[u8]) -> Option<()> {
    let header = base64(token.split(|&byte| byte == b'.').next()?)?;
    let header: serde_json::Value = serde_json::from_slice(&header).ok()?;
    // A token without a signature opens nothing.
    (header.get("alg")?.as_str()? != "none").then_some(())
}

/// Bits per byte (Shannon).
pub(super) fn entropy(bytes: &[u8]) -> f64 {
    let mut counts = [0_u32; 256];
    for byte in bytes {
        if let Some(count) = counts.get_mut(usize::from(*byte)) {
            *count += 1;
        }
    }
    let total = f64::from(u32::try_from(bytes.len()).unwrap_or(u32::MAX));
    let bits = counts.iter().filter(|count| **count > 0).map(|count| {
        let share = f64::from(*count) / total;
        -share * share.log2()
    });
    bits.sum()
}

/// Words of which examples are made.
const EXAMPLE_WORDS: &[&str] = &[
    "example",
    "sample",
    "dummy",
    "placeholder",
    "changeme",
    "change_me",
    "change-me",
    "change_this",
    "redacted",
    "yourkey",
    "your_",
    "your-",
    "yourtoken",
    "yourpass",
    "insert",
    "replace",
    "notreal",
    "not_a_real",
    "fake",
    "password",
    "passwd",
    "secret",
    "s3cr3t",
    "xxxx",
    "foobar",
    "deadbeef",
    "qwerty",
    "letmein",
    "testtest",
    "abcdef",
    "fedcba",
    "0000000",
    "1234567",
    "9876543",
    "access_token",
    "api_key",
    "api-key",
    "token_here",
    "key_here",
];

/// Marks of variables that something fills in later.
const VARIABLE_MARKS: &[&[u8]] = &[b"${", b"$(", b"{{", b"}}", b"%(", b"%s", b"<%", b"#{", b"***", b"..."];

/// Whether it only stands for a secret: an example, a variable, a run of the same or of successive characters.
pub(super) fn is_placeholder(secret: &[u8]) -> bool {
    let lower = secret.to_ascii_lowercase();
    let has = |word: &[u8]| memchr::memmem::find(&lower, word).is_some();
    // What is long is random, and would have a short word by chance.
    let is_word = EXAMPLE_WORDS.iter().any(|word| (secret.len() < 300 || word.len() > 6) && has(word.as_bytes()));
    let is_variable = VARIABLE_MARKS.iter().any(|mark| has(mark))
        || secret.first() == Some(&b'<')
        || secret
            .strip_prefix(b"$")
            .is_some_and(|name| name.iter().all(|&byte| byte == b'_' || byte.is_ascii_alphanumeric()));
    is_word || is_variable || longest_run(secret, 0) >= 6 || longest_run(secret, 1) >= 8
}

/// The longest run in which each byte is so much more than the one before it.
fn longest_run(bytes: &[u8], step: u8) -> usize {
    let runs = bytes.chunk_by(|before, after| before.checked_add(step) == Some(*after));
    runs.map(<[u8]>::len).max().unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn checks() {
        // The first is the example that GitHub gives for its form, the third Grafana's for its own; the fourth is of the
        // specification of BIP 173.
        for (check, secret, want) in [
            (Check::Github, concat!("ghp_", "zQWBuTSOoRi4A9spHcVY5ncnsDkxkJ0mLq17"), true),
            (Check::Github, concat!("ghp_", "zQWBuTSOoRi4A9spHcVY5ncnsDkxkJ0mLq18"), false),
            (Check::Grafana, "glsa_HOruNAb7SOiCdshU8algkrq7F_ILKSoW_0a55e2f8", false),
            (Check::Bech32, "A12UEL5L", true),
            (Check::Bech32, "A12UEL5M", false),
            (Check::Bech32, "AGE-SECRET-KEY-1QQQSYQCYQ5RQWZQFPG9SCRGWPUGPZYSNZS23V9CCRYDPK8QARC0SWZ2N53", false),
            (Check::BasicAuth, "dXNlcjpodW50ZXIyLTk=", true),
            (Check::BasicAuth, "dXNlcjpodW50ZXIyLTk", true),
            (Check::BasicAuth, "dXNlcm5hbWU=", false),
            (Check::BasicAuth, "dXNlcjpjaGFuZ2VtZQ==", false),
            (Check::Jwt, "eyJhbGciOiJIUzI1NiJ9.x.y", true),
            (Check::Jwt, "eyJhbGciOiJub25lIn0.x.y", false),
            (Check::Jwt, "eyJ0eXAiOiJKV1QifQ.x.y", false),
            (Check::LettersAndDigits, "abc1", true),
            (Check::LettersAndDigits, "abcd", false),
        ] {
            assert_eq!(check.accepts(secret.as_bytes()), want, "{check:?} {secret}");
            assert!(!check.accepts(b""), "{check:?}");
        }
    }

    #[test]
    fn entropies() {
        for (text, want) in [("", 0.0), ("aaaa", 0.0), ("abab", 1.0), ("abcdabcd", 2.0), ("0123456789abcdef", 4.0)] {
            assert!((entropy(text.as_bytes()) - want).abs() < 1e-9, "{text}");
        }
    }

    #[test]
    fn placeholders() {
        for text in [
            "AKIAIOSFODNN7EXAMPLE",
            "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY",
            "${GITHUB_TOKEN}",
            "{{ token }}",
            "<token>",
            "xxxxxxxxxxxxxxxx",
            "your_api_key_here",
            "ghp_000000000000000000",
            "abcdefghijklmnop",
            "12345678901234567890",
            "$PASSWORD",
            "%(password)s",
        ] {
            assert!(is_placeholder(text.as_bytes()), "{text}");
        }
        for text in ["q7Rk2VbN8xLm4TzW9sPd", "9f86d081884c7d65a2fe", ""] {
            assert!(!is_placeholder(text.as_bytes()), "{text}");
        }
    }
}
