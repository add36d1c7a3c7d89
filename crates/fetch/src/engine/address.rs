//! Where an engine listens: what its own client would use (`DOCKER_HOST`, contexts, `CONTAINER_HOST`), or one of the
//! usual sockets.

use std::io::{self, Read as _};
use std::path::{Path, PathBuf};

use killick_model::digest::Digest;
use serde::Deserialize;
use url::Url;

use super::{Engine, EngineError};
use crate::environment::Environment;

/// Bytes of a settings file that are read.
const SETTINGS_BYTES: u64 = 1 << 20;

/// Where an engine listens.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Address {
    /// A socket in the file system.
    Socket(PathBuf),
    /// A port.
    Port {
        /// `http` or `https`.
        url: Url,
        /// The folder with `ca.pem`, `cert.pem` and `key.pem`, any of which may be missing.
        certificates: Option<PathBuf>,
        skip_verify: bool,
    },
}

/// Where `engine` listens, by `environment` and the files it leads to.
pub(super) fn find(engine: Engine, environment: &Environment) -> Result<Address, EngineError> {
    match engine {
        Engine::Docker => {
            let certificates = || environment.path("DOCKER_CERT_PATH").or_else(|| environment.home(".docker"));
            let verified = environment.get("DOCKER_TLS_VERIFY").and_then(|_| certificates());
            if let Some(host) = environment.get("DOCKER_HOST") {
                return parse(engine, host, verified, false);
            }
            if let Some(address) = docker_context(environment)? {
                return Ok(address);
            }
            let user = environment.path("XDG_RUNTIME_DIR").map(|folder| folder.join("docker.sock"));
            let desktop = environment.home(".docker/run/docker.sock");
            Ok(first(Path::new("/var/run/docker.sock"), [user, desktop]))
        }
        Engine::Podman => {
            if let Some(host) = environment.get("CONTAINER_HOST") {
                return parse(engine, host, None, false);
            }
            let user = environment.path("XDG_RUNTIME_DIR").map(|folder| folder.join("podman/podman.sock"));
            let usual = Path::new("/run/podman/podman.sock");
            // A user's own engine comes first; the system's is usually closed to them.
            match user {
                Some(user) => Ok(first(&user, [Some(usual.to_owned())])),
                None => Ok(Address::Socket(usual.to_owned())),
            }
        }
    }
}

/// The first socket that exists, or else the usual one.
fn first(usual: &Path, others: impl IntoIterator<Item = Option<PathBuf>>) -> Address {
    let candidates = std::iter::once(usual.to_owned()).chain(others.into_iter().flatten());
    Address::Socket(candidates.into_iter().find(|path| path.exists()).unwrap_or_else(|| usual.to_owned()))
}

/// An address as Docker's `-H` takes it.
fn parse(engine: Engine, text: &str, certificates: Option<PathBuf>, skip_verify: bool) -> Result<Address, EngineError> {
    let refuse = |reason| EngineError::Address { engine, address: shown(text), reason };
    let Some((scheme, rest)) = text.split_once("://") else {
        let is_path = text.starts_with('/');
        return if is_path { Ok(Address::Socket(PathBuf::from(text))) } else { Err(refuse("it has no scheme")) };
    };
    let secure = match scheme {
        "unix" if rest.starts_with('/') => return Ok(Address::Socket(PathBuf::from(rest))),
        "unix" => return Err(refuse("the path of a socket begins with `/`")),
        "tcp" => certificates.is_some(),
        "http" => false,
        "https" => true,
        "ssh" => return Err(refuse("it would need an SSH client")),
        _ => return Err(refuse("its scheme is none of `unix`, `tcp`, `http`, `https`")),
    };
    let (scheme, port) = if secure { ("https", 2376) } else { ("http", 2375) };
    let mut url: Url = format!("{scheme}://{rest}").parse().map_err(|_| refuse("it is malformed"))?;
    if url.host_str().is_none_or(str::is_empty) {
        return Err(refuse("it has no host"));
    }
    let has_port = rest.split('/').next().is_some_and(|host| {
        host.rsplit_once(':')
            .is_some_and(|(_, port)| !port.is_empty() && port.bytes().all(|byte| byte.is_ascii_digit()))
    });
    if !has_port {
        url.set_port(Some(port)).map_err(|()| refuse("it is malformed"))?;
    }
    let path = url.path().trim_end_matches('/').to_owned();
    url.set_path(&path);
    Ok(Address::Port { url, certificates: certificates.filter(|_| secure), skip_verify })
}

/// Without what may be a password.
fn shown(text: &str) -> String {
    let without = match (text.find("://"), text.rfind('@')) {
        (Some(scheme), Some(at)) if scheme < at => format!("{}://{}", &text[..scheme], &text[at + 1..]),
        _ => text.to_owned(),
    };
    without.chars().take(200).collect()
}

#[derive(Deserialize)]
struct DockerConfig {
    #[serde(default, rename = "currentContext")]
    current_context: Option<String>,
}

#[derive(Deserialize)]
struct Context {
    #[serde(default, rename = "Endpoints")]
    endpoints: Endpoints,
}

#[derive(Deserialize, Default)]
struct Endpoints {
    #[serde(default)]
    docker: Option<Endpoint>,
}

#[derive(Deserialize)]
struct Endpoint {
    #[serde(default, rename = "Host")]
    host: Option<String>,
    #[serde(default, rename = "SkipTLSVerify")]
    skip_tls_verify: bool,
}

/// What `docker context use` chose, if anything but the default.
fn docker_context(environment: &Environment) -> Result<Option<Address>, EngineError> {
    let Some(folder) = environment.path("DOCKER_CONFIG").or_else(|| environment.home(".docker")) else {
        return Ok(None);
    };
    let name = if let Some(name) = environment.get("DOCKER_CONTEXT") {
        Some(name.to_owned())
    } else {
        let config: Option<DockerConfig> = read(&folder.join("config.json"))?;
        config.and_then(|config| config.current_context)
    };
    let Some(name) = name.filter(|name| !name.is_empty() && name != "default") else { return Ok(None) };
    let id = Digest::of(name.as_bytes()).hex();
    let path = folder.join("contexts/meta").join(&id).join("meta.json");
    let missing = |path| {
        let source = io::Error::new(io::ErrorKind::NotFound, format!("there is no context `{name}`"));
        EngineError::Settings { engine: Engine::Docker, path, source }
    };
    let context: Context = read(&path)?.ok_or_else(|| missing(path.clone()))?;
    let Some((host, skip_verify)) =
        context.endpoints.docker.and_then(|endpoint| Some((endpoint.host?, endpoint.skip_tls_verify)))
    else {
        return Err(missing(path));
    };
    let certificates = Some(folder.join("contexts/tls").join(&id).join("docker")).filter(|folder| folder.exists());
    parse(Engine::Docker, &host, certificates, skip_verify).map(Some)
}

/// A JSON file, if there is one.
fn read<T: serde::de::DeserializeOwned>(path: &Path) -> Result<Option<T>, EngineError> {
    let fail = |source| EngineError::Settings { engine: Engine::Docker, path: path.to_owned(), source };
    let mut text = Vec::new();
    match fs_err::File::open(path).and_then(|file| file.take(SETTINGS_BYTES).read_to_end(&mut text)) {
        Ok(_) => serde_json::from_slice(&text).map(Some).map_err(|error| fail(error.into())),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(fail(error)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(engine: Engine, variables: &[(&str, &str)]) -> String {
        match find(engine, &variables.iter().copied().collect()) {
            Ok(Address::Socket(path)) => path.display().to_string(),
            Ok(Address::Port { url, certificates, skip_verify }) => {
                let certificates = certificates.map_or_else(String::new, |path| format!(" {}", path.display()));
                format!("{url}{certificates}{}", if skip_verify { " unverified" } else { "" })
            }
            Err(error) => error.to_string(),
        }
    }

    #[test]
    fn variables_say_where_docker_listens() {
        for (variables, want) in [
            (&[("DOCKER_HOST", "unix:///tmp/x.sock")] as &[_], "/tmp/x.sock"),
            (&[("DOCKER_HOST", "/tmp/x.sock")], "/tmp/x.sock"),
            (&[("DOCKER_HOST", "tcp://build.example:1234")], "http://build.example:1234/"),
            (&[("DOCKER_HOST", "tcp://build.example")], "http://build.example:2375/"),
            (&[("DOCKER_HOST", "tcp://[::1]")], "http://[::1]:2375/"),
            (&[("DOCKER_HOST", "tcp://[::1]:99")], "http://[::1]:99/"),
            (
                &[("DOCKER_HOST", "tcp://build.example"), ("DOCKER_TLS_VERIFY", "1"), ("DOCKER_CERT_PATH", "/certs")],
                "https://build.example:2376/ /certs",
            ),
            (
                &[("DOCKER_HOST", "tcp://build.example"), ("DOCKER_TLS_VERIFY", "1"), ("HOME", "/home/me")],
                "https://build.example:2376/ /home/me/.docker",
            ),
            (&[("DOCKER_HOST", "https://build.example:443/docker/")], "https://build.example/docker"),
            (
                &[("DOCKER_HOST", "ssh://me:pw@build.example")],
                "docker cannot be reached at `ssh://build.example`: it would need an SSH client",
            ),
            (
                &[("DOCKER_HOST", "npipe:////./pipe/docker_engine")],
                "docker cannot be reached at `npipe:////./pipe/docker_engine`: its scheme is none of `unix`, `tcp`, \
                 `http`, `https`",
            ),
            (&[("DOCKER_HOST", "build.example")], "docker cannot be reached at `build.example`: it has no scheme"),
            (&[("DOCKER_HOST", "tcp://")], "docker cannot be reached at `tcp://`: it is malformed"),
            (
                &[("DOCKER_HOST", "unix://x")],
                "docker cannot be reached at `unix://x`: the path of a socket begins with `/`",
            ),
            (&[("DOCKER_HOST", ""), ("HOME", "/none")], "/var/run/docker.sock"),
        ] {
            assert_eq!(found(Engine::Docker, variables), want, "{variables:?}");
        }
    }

    #[test]
    fn sockets_of_the_user_are_found() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().to_str().unwrap();
        let socket = folder.path().join("podman/podman.sock");
        assert_eq!(found(Engine::Podman, &[("XDG_RUNTIME_DIR", "/none")]), "/none/podman/podman.sock");
        fs_err::create_dir_all(socket.parent().unwrap()).unwrap();
        fs_err::write(&socket, "").unwrap();
        assert_eq!(found(Engine::Podman, &[("XDG_RUNTIME_DIR", path)]), socket.to_str().unwrap());
        assert_eq!(found(Engine::Podman, &[("CONTAINER_HOST", "unix:///x"), ("XDG_RUNTIME_DIR", path)]), "/x");
    }

    #[test]
    fn the_context_in_use_says_where_docker_listens() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().to_str().unwrap();
        let of = |more: &[(&str, &str)]| found(Engine::Docker, &[&[("DOCKER_CONFIG", path)], more].concat());
        assert_eq!(of(&[]), "/var/run/docker.sock");
        let id = Digest::of(b"colima").hex();
        let meta = folder.path().join("contexts/meta").join(&id);
        fs_err::create_dir_all(&meta).unwrap();
        let host = |host: &str| {
            let text =
                format!(r#"{{"Name":"colima","Endpoints":{{"docker":{{"Host":"{host}","SkipTLSVerify":true}}}}}}"#);
            fs_err::write(meta.join("meta.json"), text).unwrap();
        };
        host("unix:///tmp/colima.sock");
        assert_eq!(of(&[("DOCKER_CONTEXT", "colima")]), "/tmp/colima.sock");
        assert_eq!(of(&[("DOCKER_CONTEXT", "default")]), "/var/run/docker.sock");
        fs_err::write(folder.path().join("config.json"), r#"{"currentContext":"colima","auths":{}}"#).unwrap();
        assert_eq!(of(&[]), "/tmp/colima.sock");
        assert_eq!(of(&[("DOCKER_HOST", "unix:///other")]), "/other");
        let certificates = folder.path().join("contexts/tls").join(&id).join("docker");
        fs_err::create_dir_all(&certificates).unwrap();
        host("tcp://build.example");
        assert_eq!(of(&[]), format!("https://build.example:2376/ {} unverified", certificates.display()));
        let missing = of(&[("DOCKER_CONTEXT", "../../x")]);
        assert!(missing.starts_with("cannot read `"), "{missing}");
    }
}
