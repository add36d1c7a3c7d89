//! What a notification says to people: put into words once, and written in the format that its webhook wants.

pub(crate) mod announcement;
pub(crate) mod formats;
pub(crate) mod groups;
