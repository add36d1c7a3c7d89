//! Analysis from outside: cases of catalogers, and real images where there are some.

mod catalogers;
mod images;
mod staging;
