//! Analysis from outside: whole images of a few files, and the cases of catalogers and inspectors.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails")]

mod analyze;
mod catalogers;
mod clamd;
mod copied;
mod inspectors;
mod owners;
mod sboms;
mod staging;
