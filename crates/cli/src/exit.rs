//! Exit codes: one meaning each, for every command.

use std::process::{ExitCode, Termination};

/// How a command ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Exit {
    /// Done; the policy, if any, lets the image pass.
    Success,
    /// The policy says stop, `--fail-on` was reached, or the server refused the request.
    Refused,
    /// Anything else: bad usage, unreachable server, unreadable image.
    Failure,
    /// `image vuln` on an image that is being analysed (a code of anchore-cli).
    StillAnalyzing,
    /// `image vuln` on an image that is not analysed yet (a code of anchore-cli).
    NotAnalyzed,
}

impl Exit {
    const fn code(self) -> u8 {
        match self {
            Self::Success => 0,
            Self::Refused => 1,
            Self::Failure => 2,
            Self::StillAnalyzing => 100,
            Self::NotAnalyzed => 101,
        }
    }
}

impl Termination for Exit {
    fn report(self) -> ExitCode {
        ExitCode::from(self.code())
    }
}
