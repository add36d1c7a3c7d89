//! Which providers, and which of their upstreams, are fetched.

use killick_fetch::feeds::Source;
use killick_model::feed::Upstream;
use killick_model::hint::Hint;
use killick_vulns::{PROVIDERS, Provider};

/// Providers (`debian`) and upstreams (`nvd/api`) by name.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Selection {
    /// Only these; if empty, those that are fetched when nobody says anything.
    pub only: Vec<String>,
    /// These as well.
    pub also: Vec<String>,
    /// None of these.
    pub exclude: Vec<String>,
}

/// A name that is none.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum UnknownFeed {
    /// There is no such thing.
    #[error("there is no feed `{name}`")]
    Name {
        /// The name.
        name: String,
    },
    /// Nobody publishes its files any more.
    #[error("`{name}` has no upstream: its files are brought by hand")]
    NoUpstream {
        /// The name.
        name: String,
    },
}

impl Hint for UnknownFeed {
    fn hint(&self) -> Option<String> {
        Some("`killick db status` lists the providers; an upstream of one is written `nvd/api`".to_owned())
    }
}

impl Selection {
    /// What is to be fetched.
    pub fn sources(&self) -> Result<Vec<Source>, UnknownFeed> {
        for name in self.only.iter().chain(&self.also).chain(&self.exclude) {
            check(name)?;
        }
        let sources = PROVIDERS.iter().map(|provider| {
            let upstreams = provider.upstreams.iter().filter(|upstream| self.wants(provider, upstream));
            Source { provider: provider.name, upstreams: upstreams.copied().collect() }
        });
        Ok(sources.filter(|source| !source.upstreams.is_empty()).collect())
    }

    /// Whether anything of a provider is fetched.
    pub fn has(&self, provider: &str) -> bool {
        let provider = PROVIDERS.iter().find(|known| known.name == provider);
        provider.is_some_and(|provider| provider.upstreams.iter().any(|upstream| self.wants(provider, upstream)))
    }

    /// Providers that stay out of the index too.
    pub fn without(&self) -> Vec<String> {
        self.exclude.iter().filter(|name| !name.contains('/')).cloned().collect()
    }

    fn wants(&self, provider: &Provider, upstream: &Upstream) -> bool {
        let full = format!("{}/{}", provider.name, upstream.name);
        let names = |list: &[String], name: &str| list.iter().any(|listed| listed == name);
        if names(&self.exclude, provider.name) || names(&self.exclude, &full) {
            return false;
        }
        // Who names a provider means what is usual of it, and all of one of which nothing is.
        let is_usual = upstream.is_default || provider.upstreams.iter().all(|other| !other.is_default);
        let is_named = |list: &[String]| names(list, &full) || (is_usual && names(list, provider.name));
        is_named(&self.only) || is_named(&self.also) || (self.only.is_empty() && upstream.is_default)
    }
}

fn check(name: &str) -> Result<(), UnknownFeed> {
    let (provider, upstream) = name.split_once('/').map_or((name, None), |(provider, rest)| (provider, Some(rest)));
    let unknown = || UnknownFeed::Name { name: name.to_owned() };
    let provider = PROVIDERS.iter().find(|known| known.name == provider).ok_or_else(unknown)?;
    match upstream {
        None if provider.upstreams.is_empty() => Err(UnknownFeed::NoUpstream { name: name.to_owned() }),
        Some(upstream) if provider.upstreams.iter().all(|known| known.name != upstream) => Err(unknown()),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn selected(only: &[&str], also: &[&str], exclude: &[&str]) -> Result<Vec<String>, UnknownFeed> {
        let owned = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect();
        let selection = Selection { only: owned(only), also: owned(also), exclude: owned(exclude) };
        let sources = selection.sources()?;
        assert!(sources.iter().all(|source| selection.has(source.provider)));
        Ok(sources
            .into_iter()
            .flat_map(|source| {
                source.upstreams.into_iter().map(move |upstream| format!("{}/{}", source.provider, upstream.name))
            })
            .collect())
    }

    #[test]
    fn names_choose() {
        assert_eq!(
            selected(&["kev", "debian"], &[], &[]).unwrap(),
            ["debian/tracker", "debian/lists", "kev/catalogue"]
        );
        assert_eq!(selected(&["nvd"], &[], &[]).unwrap(), ["nvd/years", "nvd/modified"]);
        assert_eq!(selected(&["nvd/api"], &[], &[]).unwrap(), ["nvd/api"]);
        let secdb = ["secdb/wolfi", "secdb/chainguard", "secdb/minimos", "secdb/secureos"];
        assert_eq!(selected(&["secdb"], &[], &[]).unwrap(), secdb, "nothing of it is usual");
        assert_eq!(selected(&["kev"], &["secdb/wolfi"], &[]).unwrap(), ["kev/catalogue", "secdb/wolfi"]);
        assert_eq!(selected(&["nvd", "kev"], &[], &["nvd/years", "kev"]).unwrap(), ["nvd/modified"]);
        let usual = selected(&[], &[], &[]).unwrap();
        assert!(usual.contains(&"rhel/vex".to_owned()) && !usual.contains(&"secdb/wolfi".to_owned()), "{usual:?}");
        assert_eq!(selected(&[], &["elts"], &[]).unwrap().len(), usual.len() + 1);
        for wrong in ["debain", "debian/trakcer", "", "/"] {
            assert_eq!(selected(&[], &[], &[wrong]), Err(UnknownFeed::Name { name: wrong.to_owned() }));
        }
        assert!(matches!(selected(&["anchore"], &[], &[]), Err(UnknownFeed::NoUpstream { .. })));
    }
}
