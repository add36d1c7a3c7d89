//! Where guides are run: a folder with the files that they name, a registry that has every image, a port for the server.

use std::path::Path;
use std::process::{Command, Stdio};

use fs_err as fs;

use super::blocks::{Block, Run};
use crate::command::repository;
use crate::image::Image;
use crate::registry::free_port;
use crate::service::anchore_cli_program;
use crate::shelf::EveryImage;

/// Files in the folder, and which of `examples/` they are.
const COPIES: [(&str, &str); 9] = [
    ("app.tar", "shop.tar"),
    ("Dockerfile", "shop/Dockerfile"),
    ("bundle.json", "bundles/production.json"),
    ("policy.json", "bundles/production.json"),
    ("new.json", "bundles/production.json"),
    ("old.json", "bundles/production-hardening.json"),
    ("policy/production.json", "bundles/production.json"),
    ("policy/development.json", "bundles/production-hardening.json"),
    ("policy/cases/production/root.yaml", "cases/production/runs-as-root.yaml"),
];

/// Files in the folder, and what is in them.
const TEXTS: [(&str, &str); 7] = [
    ("team.openvex.json", VEX),
    ("vendor-vex/one.json", VEX),
    ("images.txt", "# ours\nregistry.example.com/team/app:1.0\nregistry.example.com/team/app:1.1\n"),
    (
        "exceptions.yaml",
        "exceptions:\n- id: ssh\n  select: {finding: {gate: dockerfile}}\n  reason: is behind a gate\n  owner: team\n",
    ),
    ("policy/exceptions.yaml", "exceptions: []\n"),
    ("passwords.yaml", "registries: {}\n"),
    (
        "feeds/debian/tracker.json",
        r#"{"curl": {"CVE-2099-0001": {"releases": {"bookworm": {"status": "open", "urgency": "high"}}}}}"#,
    ),
];

const VEX: &str = r#"{"@context": "https://openvex.dev/ns/v0.2.0", "@id": "https://example.com/vex/1", "author": "Team",
    "timestamp": "2026-01-01T00:00:00Z", "version": 1, "statements": [{"vulnerability": {"name": "CVE-2023-38545"},
    "products": [{"@id": "pkg:deb/debian/curl"}], "status": "under_investigation"}]}"#;

/// What has another name here than in the guides.
const NAMES: [(&str, &str); 5] = [
    ("https://killick.example.org", "http://localhost:8228"),
    ("http://anchore.example.com:8228", "http://localhost:8228"),
    ("cargo run --release -- ", "killick "),
    ("https://killick.test.example:8228", "http://localhost:8228"),
    ("killick.example.com", "localhost:8228"),
];

/// A registry for all guides.
pub(super) struct Place {
    registry: EveryImage,
}

impl Place {
    pub(super) fn new() -> Self {
        Self { registry: EveryImage::start() }
    }

    /// Runs a guide from top to bottom; the error is what did not end as it should.
    pub(super) fn run(&self, guide: &str, blocks: &[Block]) -> Result<(), String> {
        let folder = tempfile::tempdir().expect("a temporary folder");
        furnish(folder.path());
        let port = free_port();
        let name = |text: &str| {
            let named = NAMES.iter().fold(text.to_owned(), |text, (there, here)| text.replace(there, here));
            // Registries that are added, or watched, are asked for under their own names.
            let named = ["registry add", "repo add"].iter().fold(named, |text, words| {
                text.replace(&format!("{words} registry.example.com"), &format!("{words} {}", self.registry.address))
            });
            named.replace(":8228", &format!(":{port}"))
        };
        let mut script = String::from("trap 'kill $background 2> /dev/null' EXIT\n");
        for block in blocks {
            let codes = match &block.run {
                Run::No(_) => continue,
                Run::Background => None,
                Run::Exits(codes) => Some(codes),
            };
            for (command, goes_on) in &block.first {
                let text = name(&command.text);
                script.push_str(&if *goes_on { beside(&text, port) } else { checked(guide, command.line, &text, 0) });
            }
            for (index, command) in block.commands.iter().enumerate() {
                let text = name(&command.text);
                script.push_str(&match codes {
                    Some(codes) => checked(guide, command.line, &text, codes[index]),
                    None => beside(&text, port),
                });
            }
        }
        let output = self.shell(folder.path(), port, &script).output().expect("the shell starts");
        if output.status.success() {
            return Ok(());
        }
        let text = |bytes: &[u8]| {
            let text = String::from_utf8_lossy(bytes).into_owned();
            text.chars().rev().take(3000).collect::<Vec<_>>().into_iter().rev().collect::<String>()
        };
        Err(format!("{}\n{}\n", text(&output.stdout), text(&output.stderr)))
    }

    fn shell(&self, folder: &Path, port: u16, script: &str) -> Command {
        let beside = |program: &Path| program.parent().expect("a folder").display().to_string();
        let killick = beside(Path::new(env!("CARGO_BIN_EXE_killick")));
        let moved = ["registry.example.com", "docker.io"].map(|name| {
            format!("[[registry]]\nprefix = \"{name}\"\nlocation = \"{}\"\ninsecure = true\n", self.registry.address)
        });
        let registries = folder.join("registries.conf");
        fs::write(&registries, moved.concat()).expect("the folder is writable");
        let mut command = Command::new("timeout");
        command
            .args(["300", "sh", "-c", script])
            .env_clear()
            .env("HOME", folder)
            .env("LC_ALL", "C.UTF-8")
            .env("PATH", format!("{killick}:{}:/usr/bin:/bin", beside(&anchore_cli_program())))
            .env("CONTAINERS_REGISTRIES_CONF", &registries)
            .env("KILLICK__REGISTRIES__CONTAINERS_CONF", &registries)
            .env("KILLICK__SERVER__LISTEN", format!("127.0.0.1:{port}"))
            .env("KILLICK__KNOWLEDGE__UPDATE", "off")
            .stdin(Stdio::null())
            .current_dir(folder);
        command
    }
}

/// A server that runs until the script ends.
fn beside(command: &str, port: u16) -> String {
    format!(
        "{command} &\nbackground=\"$background $!\"\n\
         until curl --silent --output /dev/null localhost:{port}/health; do sleep 0.1; done\n"
    )
}

/// A command that ends the script if it does not end with `code`.
fn checked(guide: &str, line: usize, command: &str, code: i32) -> String {
    format!(
        "{command}\ncode=$?\nif [ $code -ne {code} ]; then \
         echo '{guide}:{line}: exit code '$code', not {code}' >&2; exit 1; fi\n"
    )
}

/// Puts what guides take for granted into the folder.
fn furnish(folder: &Path) {
    let examples = repository().join("examples");
    let place = |name: &str, bytes: Vec<u8>| {
        let path = folder.join(name);
        fs::create_dir_all(path.parent().expect("a folder")).expect("the folder is writable");
        fs::write(path, bytes).expect("the folder is writable");
    };
    for (name, example) in COPIES {
        place(name, fs::read(examples.join(example)).expect("the example is there"));
    }
    for (name, text) in TEXTS {
        place(name, text.as_bytes().to_vec());
    }
    Image::example().write_layout(&folder.join("layout"));
    std::os::unix::fs::symlink(examples, folder.join("examples")).expect("the folder is writable");
}
