//! Gates that the original retired. Bundles that name them cannot be saved; rules in stored bundles do nothing but
//! report it. They exist so that both can be said by name.

use super::{Gate, State, Trigger};
use crate::check::{Check, TriggerError};

const fn gate(
    name: &'static str,
    superseded_by: Option<&'static str>,
    description: &'static str,
    triggers: &'static [Trigger],
) -> Gate {
    Gate { name, description, state: State::EndOfLife, superseded_by, triggers }
}

const fn trigger(name: &'static str, description: &'static str) -> Trigger {
    Trigger { name, description, params: &[], check: never }
}

/// Never called: evaluation reports the gate instead.
#[expect(clippy::unnecessary_wraps, reason = "every trigger has this signature")]
fn never(_: &mut Check<'_, '_>) -> Result<(), TriggerError> {
    Ok(())
}

pub(super) const SUIDDIFF: Gate = gate(
    "suiddiff",
    None,
    "Setuid files compared with those of the base image.",
    &[
        trigger("suiddiff", "Any of the others fired."),
        trigger("suidfileadd", "A setuid file that the base image has not."),
        trigger("suidfiledel", "A setuid file of the base image is gone."),
        trigger("suidmodediff", "A setuid file has another mode than in the base image."),
    ],
);

pub(super) const IMAGECHECK: Gate = gate(
    "imagecheck",
    None,
    "Ancestry of the image.",
    &[trigger("baseoutofdate", "The base image has been updated since.")],
);

pub(super) const PKGDIFF: Gate = gate(
    "pkgdiff",
    None,
    "Packages compared with those of the base image.",
    &[
        trigger("pkgversiondiff", "A package has another version than in the base image."),
        trigger("pkgadd", "A package that the base image has not."),
        trigger("pkgdel", "A package of the base image is gone."),
        trigger("pkgdiff", "Any of the others fired."),
    ],
);

pub(super) const ANCHORESEC: Gate = gate(
    "anchoresec",
    Some("vulnerabilities"),
    "Vulnerabilities of distribution packages.",
    &[
        trigger("vulnlow", "Vulnerabilities of severity low."),
        trigger("vulnmedium", "Vulnerabilities of severity medium."),
        trigger("vulnhigh", "Vulnerabilities of severity high."),
        trigger("vulncritical", "Vulnerabilities of severity critical."),
        trigger("vulnunknown", "Vulnerabilities of severity unknown or negligible."),
        trigger("feedoutofdate", "The vulnerability data is too old."),
        trigger("unsupporteddistro", "There is no vulnerability data for the distribution."),
    ],
);

pub(super) const PKGCHECK: Gate = gate(
    "pkgcheck",
    Some("packages"),
    "Packages of the distribution.",
    &[
        trigger("pkgnotpresent", "A required package is missing."),
        trigger("verify", "Files differ from what the package database says."),
    ],
);

pub(super) const DOCKERFILECHECK: Gate = gate(
    "dockerfilecheck",
    Some("dockerfile"),
    "Instructions of the Dockerfile.",
    &[
        trigger("directivecheck", "An instruction meets the condition."),
        trigger("effectiveuser", "The effective user is not allowed."),
        trigger("expose", "A port is exposed that should not be."),
        trigger("nofrom", "There is no FROM."),
        trigger("fromscratch", "The base is scratch."),
        trigger("notag", "FROM names no tag, or latest."),
        trigger("sudo", "The Dockerfile uses sudo."),
        trigger("volumepresent", "There is a VOLUME."),
        trigger("nohealthcheck", "There is no HEALTHCHECK."),
        trigger("nodockerfile", "No Dockerfile was supplied."),
    ],
);

pub(super) const FILECHECK: Gate = gate(
    "filecheck",
    Some("files"),
    "Files of the image.",
    &[
        trigger("contentmatch", "The content search found something."),
        trigger("filenamematch", "A file name matches."),
        trigger("suidsgidcheck", "A file has the setuid or setgid bit."),
    ],
);

pub(super) const FILEPARSE_PASSWD: Gate = gate(
    "fileparse_passwd",
    Some("passwd_file"),
    "Content of /etc/passwd.",
    &[
        trigger("filenotstored", "The file was not kept."),
        trigger("usernamematch", "A user name is listed."),
        trigger("useridmatch", "A user id is listed."),
        trigger("groupidmatch", "A group id is listed."),
        trigger("shellmatch", "A login shell is listed."),
        trigger("pentrymatch", "A whole entry is listed."),
    ],
);

pub(super) const GEMCHECK: Gate = gate(
    "gemcheck",
    Some("ruby_gems"),
    "Ruby gems.",
    &[
        trigger("gemnotlatest", "A gem is not the latest."),
        trigger("gemnotofficial", "A gem is not in the official list."),
        trigger("gembadversion", "A version is not in the official list."),
        trigger("gempkgfullmatch", "Name and version are listed."),
        trigger("gempkgnamematch", "The name is listed."),
        trigger("gemnofeed", "There is no gem data."),
    ],
);

pub(super) const METADATACHECK: Gate = gate(
    "metadatacheck",
    Some("metadata"),
    "Attributes of the image.",
    &[trigger("attributecheck", "An attribute meets the condition.")],
);

pub(super) const LICBLACKLIST: Gate = gate(
    "licblacklist",
    Some("licenses"),
    "Licences of packages.",
    &[trigger("licfullmatch", "A licence is listed."), trigger("licsubmatch", "A licence contains a listed text.")],
);

pub(super) const NPMCHECK: Gate = gate(
    "npmcheck",
    Some("npms"),
    "Node packages.",
    &[
        trigger("npmnotlatest", "A package is not the latest."),
        trigger("npmnotofficial", "A package is not in the official list."),
        trigger("npmbadversion", "A version is not in the official list."),
        trigger("npmpkgfullmatch", "Name and version are listed."),
        trigger("npmpkgnamematch", "The name is listed."),
        trigger("npmnofeed", "There is no npm data."),
    ],
);

pub(super) const PKGBLACKLIST: Gate = gate(
    "pkgblacklist",
    Some("packages"),
    "Packages that must not be there.",
    &[trigger("pkgfullmatch", "Name and version are listed."), trigger("pkgnamematch", "The name is listed.")],
);

pub(super) const SECRETCHECK: Gate = gate(
    "secretcheck",
    Some("secret_scans"),
    "Secrets in the image.",
    &[trigger("contentmatch", "The secret search found something."), trigger("filenamematch", "A file name matches.")],
);
