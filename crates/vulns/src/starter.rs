//! The index that ships with the program, so that a first scan needs no network.

use crate::index::{Index, IndexError};

/// `data/starter.kidx`; `data/README.md` tells how it is made, `NOTICE` of what.
static STARTER: &[u8] = include_bytes!("../../../data/starter.kidx");

impl Index {
    /// The starter index: facts that may be passed on, as old as the release.
    pub fn starter() -> Result<Self, IndexError> {
        Self::from_static(STARTER)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_starter_index_is_whole() {
        Index::starter().unwrap().verify().unwrap();
    }
}
