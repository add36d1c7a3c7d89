//! `killick attest` and `killick verify`: what is known of an image, signed, and found out to be true.
//!
//! A verdict is a function of facts, knowledge and decisions. What is attested names all of these by their digests, so that
//! whoever has them can judge again and must come to the same.

mod attest;
mod inputs;
mod replay;
mod told;
mod trusted;
mod verify;

use clap::ValueEnum;
use killick_report::attestation::Kind;

pub(crate) use self::attest::{Attest, run as attest};
pub(crate) use self::verify::{Verify, run as verify};

/// The words of `--type`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum KindName {
    /// What is in the image.
    Sbom,
    /// What is known to be wrong with it.
    Vulnerabilities,
    /// Whether a policy lets it through.
    Verdict,
}

impl KindName {
    const fn kind(self) -> Kind {
        match self {
            Self::Sbom => Kind::Sbom,
            Self::Vulnerabilities => Kind::Vulnerabilities,
            Self::Verdict => Kind::Verdict,
        }
    }
}
