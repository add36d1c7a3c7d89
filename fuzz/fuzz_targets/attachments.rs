//! A document attached to an image. The first line has its media type; attestations are about the digest of nothing.
#![no_main]

use killick_analysis::attachments::{Form, describe};
use killick_analysis::limits::Limits;
use killick_model::attachment::{Document, Origin};
use killick_model::digest::Digest;

libfuzzer_sys::fuzz_target!(|data: &[u8]| {
    let Some((line, bytes)) = killick_fuzz::named(data) else { return };
    let media_type = String::from_utf8_lossy(line).into_owned();
    let form = Form::of(&media_type, None, &Origin::Referrers);
    let mut document = Document::new(media_type, Digest::of(bytes), bytes.len() as u64);
    let (mut packages, mut problems) = (Vec::new(), Vec::new());
    describe(&mut document, form, bytes, &[Digest::of(b"")], &Limits::default(), &mut packages, &mut problems);
});
