//! What tools say of packages in properties of their own.
//!
//! Syft's (<https://github.com/anchore/syft>, `syft:…`), Trivy's (<https://trivy.dev/docs/latest/supply-chain/sbom/>,
//! `aquasecurity:trivy:…`), cdxgen's (`SrcFile`) and ours.

use killick_model::sbom::PACKAGE_FACTS;

use super::claim::Claim;

/// Takes over what properties say of a package.
pub(super) fn apply(claim: &mut Claim, properties: &[(String, String)]) {
    let mut release = None;
    let mut epoch = None;
    let mut place = "0";
    for (name, value) in properties {
        let value = value.trim();
        if value.is_empty() {
            continue;
        }
        let hints = &mut claim.hints;
        let set = |place: &mut Option<String>| {
            place.get_or_insert_with(|| value.to_owned());
        };
        match name.as_str() {
            PACKAGE_FACTS => set(&mut hints.facts),
            "syft:package:type" => set(&mut hints.kind),
            "syft:metadata:source" | "syft:metadata:originPackage" | "aquasecurity:trivy:SrcName" => {
                set(&mut hints.source.0);
            }
            "syft:metadata:sourceVersion" | "aquasecurity:trivy:SrcVersion" => set(&mut hints.source.1),
            "syft:metadata:sourceRpm" => set(&mut hints.source_rpm),
            "syft:metadata:architecture" => set(&mut hints.architecture),
            "syft:metadata:virtualPath" => hints.location = Some(value.to_owned()),
            "syft:cpe23" => claim.cpes.push(value.to_owned()),
            "aquasecurity:trivy:SrcRelease" => release = Some(value),
            "aquasecurity:trivy:SrcEpoch" => epoch = Some(value),
            "aquasecurity:trivy:FilePath" | "SrcFile" => set(&mut hints.location),
            "aquasecurity:trivy:LayerDiffID" => hints.layer = Some(value.to_owned()),
            "aquasecurity:trivy:LayerDigest" => set(&mut hints.layer),
            name => {
                if let Some(number) = location(name, ":path")
                    && (hints.location.is_none() || value.ends_with("/dpkg/status"))
                {
                    hints.location = Some(value.to_owned());
                    place = number;
                }
            }
        }
    }
    let layer = properties.iter().find(|(name, _)| location(name, ":layerID") == Some(place));
    let hints = &mut claim.hints;
    hints.layer = hints.layer.take().or_else(|| layer.map(|(_, digest)| digest.clone()));
    if let Some(version) = &mut hints.source.1 {
        if let Some(release) = release {
            *version = format!("{version}-{release}");
        }
        if let Some(epoch) = epoch.filter(|epoch| *epoch != "0") {
            *version = format!("{epoch}:{version}");
        }
    }
}

/// The number of a place, as in `syft:location:0:path`.
fn location<'a>(name: &'a str, ending: &str) -> Option<&'a str> {
    name.strip_prefix("syft:location:")?.strip_suffix(ending)
}

#[cfg(test)]
mod tests {
    use super::super::claim::Hints;
    use super::*;

    fn hints(properties: &[(&str, &str)]) -> Hints {
        let own = |(name, value): &(&str, &str)| ((*name).to_owned(), (*value).to_owned());
        let mut claim = Claim::default();
        apply(&mut claim, &properties.iter().map(own).collect::<Vec<_>>());
        claim.hints
    }

    #[test]
    fn properties_are_taken_over() {
        let text = |text: &str| Some(text.to_owned());
        let found = hints(&[
            ("syft:location:0:layerID", "sha256:a"),
            ("syft:location:0:path", "/usr/share/doc/a/copyright"),
            ("syft:location:1:layerID", "sha256:b"),
            ("syft:location:1:path", "/var/lib/dpkg/status"),
            ("syft:metadata:source", "openssl"),
            ("syft:package:type", "deb"),
        ]);
        let want = Hints {
            kind: text("deb"),
            source: (text("openssl"), None),
            location: text("/var/lib/dpkg/status"),
            layer: text("sha256:b"),
            ..Hints::default()
        };
        assert_eq!(found, want);
        let found = hints(&[
            ("aquasecurity:trivy:LayerDigest", "sha256:packed"),
            ("aquasecurity:trivy:LayerDiffID", "sha256:unpacked"),
            ("aquasecurity:trivy:SrcEpoch", "1"),
            ("aquasecurity:trivy:SrcName", "bind"),
            ("aquasecurity:trivy:SrcRelease", "3.el9"),
            ("aquasecurity:trivy:SrcVersion", "9.16"),
        ]);
        let want =
            Hints { source: (text("bind"), text("1:9.16-3.el9")), layer: text("sha256:unpacked"), ..Hints::default() };
        assert_eq!(found, want);
    }
}
