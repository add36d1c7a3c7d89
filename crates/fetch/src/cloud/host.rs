//! The names that clouds give to their registries.

use super::Provider;

/// A registry of a cloud.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Registry {
    Ecr(Ecr),
    EcrPublic,
    Google,
    Acr,
}

/// A private registry of Amazon.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Ecr {
    pub(super) region: String,
    pub(super) fips: bool,
    /// The domain that the services of its partition are below.
    pub(super) domain: &'static str,
}

/// Suffixes of ECR's names, with the domain of the services.
const AWS_DOMAINS: [(&str, &str); 5] = [
    ("amazonaws.com", "amazonaws.com"),
    ("amazonaws.com.cn", "amazonaws.com.cn"),
    ("amazonaws.eu", "amazonaws.eu"),
    ("on.aws", "amazonaws.com"),
    ("on.amazonwebservices.com.cn", "amazonaws.com.cn"),
];

const GCR_HOSTS: [&str; 5] = ["gcr.io", "us.gcr.io", "eu.gcr.io", "asia.gcr.io", "marketplace.gcr.io"];

const ACR_DOMAINS: [&str; 3] = ["azurecr.io", "azurecr.cn", "azurecr.us"];

impl Registry {
    /// The cloud registry of exactly this name, in lower case and without a port.
    pub(super) fn of(host: &str) -> Option<Self> {
        if host == "public.ecr.aws" {
            return Some(Self::EcrPublic);
        }
        if GCR_HOSTS.contains(&host) {
            return Some(Self::Google);
        }
        if let Some(location) = host.strip_suffix("-docker.pkg.dev") {
            return is_label(location).then_some(Self::Google);
        }
        for domain in ACR_DOMAINS {
            if let Some(name) = below(host, domain) {
                // A name may have a part for its region's data.
                let labels: Vec<&str> = name.split('.').collect();
                return (labels.len() == 1 && labels.into_iter().all(is_label)).then_some(Self::Acr);
            }
        }
        ecr(host).map(Self::Ecr)
    }

    pub(super) fn provider(&self) -> Provider {
        match self {
            Self::Ecr(_) | Self::EcrPublic => Provider::Aws,
            Self::Google => Provider::Google,
            Self::Acr => Provider::Azure,
        }
    }
}

/// `ACCOUNT.dkr.ecr[-fips].REGION.DOMAIN`, or `ACCOUNT.dkr-ecr[-fips].REGION.DOMAIN`.
fn ecr(host: &str) -> Option<Ecr> {
    let (account, rest) = host.split_once('.')?;
    if account.len() != 12 || !account.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    let rest = rest.strip_prefix("dkr.ecr").or_else(|| rest.strip_prefix("dkr-ecr"))?;
    let (rest, fips) = rest.strip_prefix("-fips").map_or((rest, false), |rest| (rest, true));
    let (region, suffix) = rest.strip_prefix('.')?.split_once('.')?;
    let (_, domain) = AWS_DOMAINS.into_iter().find(|(known, _)| *known == suffix)?;
    is_label(region).then(|| Ecr { region: region.to_owned(), fips, domain })
}

fn below<'a>(host: &'a str, domain: &str) -> Option<&'a str> {
    host.strip_suffix(domain)?.strip_suffix('.')
}

fn is_label(text: &str) -> bool {
    (1..=63).contains(&text.len())
        && text.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-')
        && !text.starts_with('-')
        && !text.ends_with('-')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_clouds_own_names_are_known() {
        let ecr = |region: &str, fips, domain| Some(Registry::Ecr(Ecr { region: region.to_owned(), fips, domain }));
        for (host, want) in [
            ("123456789012.dkr.ecr.eu-west-1.amazonaws.com", ecr("eu-west-1", false, "amazonaws.com")),
            ("123456789012.dkr.ecr-fips.us-gov-west-1.amazonaws.com", ecr("us-gov-west-1", true, "amazonaws.com")),
            ("123456789012.dkr.ecr.cn-north-1.amazonaws.com.cn", ecr("cn-north-1", false, "amazonaws.com.cn")),
            ("123456789012.dkr-ecr.us-east-1.on.aws", ecr("us-east-1", false, "amazonaws.com")),
            ("public.ecr.aws", Some(Registry::EcrPublic)),
            ("gcr.io", Some(Registry::Google)),
            ("eu.gcr.io", Some(Registry::Google)),
            ("europe-west3-docker.pkg.dev", Some(Registry::Google)),
            ("team.azurecr.io", Some(Registry::Acr)),
            ("team.azurecr.us", Some(Registry::Acr)),
            ("123456789012.dkr.ecr.eu-west-1.amazonaws.com.evil.example", None),
            ("123456789012.dkr.ecr.evil.example.amazonaws.com", None),
            ("123456789012.dkr.ecr.eu-west-1.amazonaws.com:443", None),
            ("12345678901.dkr.ecr.eu-west-1.amazonaws.com", None),
            ("evil.123456789012.dkr.ecr.eu-west-1.amazonaws.com", None),
            ("123456789012.dkr.ecr.eu-west-1@evil.amazonaws.com", None),
            ("123456789012.dkr.ecrx.eu-west-1.amazonaws.com", None),
            ("public.ecr.aws.evil.example", None),
            ("evil.gcr.io", None),
            ("gcr.io.evil.example", None),
            ("evilgcr.io", None),
            ("evil.example-docker.pkg.dev", None),
            ("-docker.pkg.dev", None),
            ("docker.pkg.dev", None),
            ("azurecr.io", None),
            (".azurecr.io", None),
            ("evil.example.azurecr.io", None),
            ("evilazurecr.io", None),
            ("TEAM.azurecr.io", None),
            ("localhost", None),
            ("", None),
        ] {
            assert_eq!(Registry::of(host), want, "{host}");
        }
    }
}
