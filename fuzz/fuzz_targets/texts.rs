//! Short texts that users and images write: references, sources, digests, platforms, paths, names in purls.
#![no_main]

use killick_fetch::source::Source;
use killick_model::digest::Digest;
use killick_model::image::Platform;
use killick_model::path::ImagePath;
use killick_model::purl::python_name;
use killick_model::reference::Reference;

libfuzzer_sys::fuzz_target!(|data: &[u8]| {
    if let Some(path) = ImagePath::new(data) {
        assert_eq!(ImagePath::new(path.as_bytes()).as_ref(), Some(&path), "a path is its own short form");
        let _ = (path.to_string(), path.file_name(), path.parent(), path.join(data));
    }
    let Ok(text) = std::str::from_utf8(data) else { return };
    if let Ok(reference) = text.parse::<Reference>() {
        assert_eq!(reference.to_string().parse().ok(), Some(reference), "a reference is read as it is written");
    }
    let _ = (Source::parse(text), text.parse::<Digest>(), text.parse::<Platform>(), python_name(text));
});
