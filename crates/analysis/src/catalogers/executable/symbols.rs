//! Addresses of symbols that a program shows to others: the dynamic symbols of ELF, the exports of PE, the symbols of
//! Mach-O.

use memchr::memmem;

use super::Executable;

/// Bytes of a table of symbols, and of one of their names; those of large native images have some million.
const TABLE_BYTES: u64 = 16 << 20;

/// Names exported by a PE file.
const EXPORTS: u64 = 100_000;

/// Where symbols are, as offsets and sizes in the file; of PE, as an address.
#[derive(Debug, Clone, Copy)]
pub(super) enum SymbolTable {
    None,
    Elf { symbols: (u64, u64), strings: (u64, u64) },
    MachO { symbols: (u64, u64), strings: (u64, u64) },
    Pe { base: u64, exports: u64 },
}

impl Executable<'_> {
    /// The addresses of these symbols, if it has all of them. Names in C: Mach-O has them with a leading `_`.
    pub(in crate::catalogers) fn addresses<const N: usize>(&self, names: [&[u8]; N]) -> Option<[u64; N]> {
        let mut found = [None; N];
        let mut tell = |name: &[u8], address: u64| {
            let at = names.iter().position(|wanted| *wanted == name);
            if let Some(place) = at.and_then(|at| found.get_mut(at)) {
                place.get_or_insert(address);
            }
        };
        match self.symbols {
            SymbolTable::None => {}
            SymbolTable::Elf { symbols, strings } => {
                // elf(5): `st_name` comes first, `st_value` after 8 bytes, or 4 where words have 4.
                let (entry, value) = if self.is_64 { (24, 8..16) } else { (16, 4..8) };
                self.table(symbols, strings, entry, value, &names, &mut tell);
            }
            SymbolTable::MachO { symbols, strings } => {
                // `mach-o/nlist.h`: `n_strx` comes first, `n_value` after 8 bytes.
                let (entry, value) = if self.is_64 { (16, 8..16) } else { (12, 8..12) };
                let mut tell = |name: &[u8], address| tell(name.strip_prefix(b"_").unwrap_or_default(), address);
                self.table(symbols, strings, entry, value, &names, &mut tell);
            }
            SymbolTable::Pe { base, exports } => {
                self.exports(base, exports, &mut tell);
            }
        }
        let found: Vec<u64> = found.into_iter().collect::<Option<_>>()?;
        found.try_into().ok()
    }

    fn table(
        &self,
        symbols: (u64, u64),
        strings: (u64, u64),
        entry: usize,
        value: std::ops::Range<usize>,
        names: &[&[u8]],
        tell: &mut impl FnMut(&[u8], u64),
    ) -> Option<()> {
        let strings = self.content.at_most(strings.0, strings.1.min(TABLE_BYTES))?;
        // Of nearly all programs the names say that the symbols need not be looked at.
        if !names.iter().all(|name| memmem::find(strings, name).is_some()) {
            return None;
        }
        let symbols = self.content.at_most(symbols.0, symbols.1.min(TABLE_BYTES))?;
        for symbol in symbols.chunks_exact(entry) {
            let start = usize::try_from(self.number(symbol.get(..4)?)?).ok()?;
            let Some(name) = strings.get(start..) else { continue };
            // None that is asked for is longer.
            let name = name.get(..64).unwrap_or(name);
            let name = memchr::memchr(0, name).and_then(|end| name.get(..end));
            if let Some(name) = name {
                tell(name, self.number(symbol.get(value.clone())?)?);
            }
        }
        Some(())
    }

    /// PE specification, "Export Directory Table": number of names, addresses of the tables of addresses, of names, and of
    /// the numbers by which a name leads to an address.
    fn exports(&self, base: u64, exports: u64, tell: &mut impl FnMut(&[u8], u64)) -> Option<()> {
        if exports == 0 {
            return None;
        }
        let at = |relative: u64, size: u64| self.at_address(base.checked_add(relative)?, size);
        let number = |relative: u64| self.number(at(relative, 4)?);
        let directory = at(exports, 40)?;
        let field = |offset: usize| self.number(directory.get(offset..offset + 4)?);
        let (count, addresses, names, ordinals) = (field(24)?, field(28)?, field(32)?, field(36)?);
        for name in 0..count.min(EXPORTS) {
            let text = self.offset_of(base.checked_add(number(names + 4 * name)?)?)?;
            let text = self.content.at_most(text, 64)?;
            let Some(text) = memchr::memchr(0, text).and_then(|end| text.get(..end)) else { continue };
            let ordinal = at(ordinals + 2 * name, 2)?.first_chunk().map(|raw| u16::from_le_bytes(*raw))?;
            tell(text, base.checked_add(number(addresses + 4 * u64::from(ordinal))?)?);
        }
        Some(())
    }
}
