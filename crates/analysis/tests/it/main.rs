//! Analysis from outside: whole images of a few files, and the cases of the catalogers.

mod analyze;
mod catalogers;
mod staging;
