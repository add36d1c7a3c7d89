//! What a user can do about an error.

/// An error that may know its remedy. The command line prints it as the `hint:` line.
pub trait Hint {
    /// One sentence that can be acted on, commands in backticks, or `None`.
    fn hint(&self) -> Option<String>;
}
