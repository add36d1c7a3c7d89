//! A table of contents of a layer, as JSON; the first byte says of which format. Or the end of an eStargz.
#![no_main]

use killick_fetch::layer::table::{Format, footer, read};
use killick_fetch::limits::Limits;

libfuzzer_sys::fuzz_target!(|data: &[u8]| {
    let Some((first, json)) = data.split_first() else { return };
    let format = if *first == b'e' { Format::Estargz } else { Format::ZstdChunked };
    let limits = Limits { table_bytes: 64 << 10, table_entries: 500, ..Limits::default() };
    if let Ok(table) = read(json, format, 1 << 20, &limits) {
        assert!(table.entries().len() <= 500);
        let listed: u64 = table.entries().iter().map(|entry| entry.size).fold(0, u64::saturating_add);
        assert!(table.unpacked_bytes() >= listed);
    }
    if let Some((offset, size)) = footer(data, 1 << 20) {
        assert!(offset + size < 1 << 20);
    }
});
