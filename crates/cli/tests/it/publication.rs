//! An index on its way: published, mirrored, carried, and taken over by what changed.

mod place;

use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use killick_vulns::{BuildOptions, Index, build};

use self::place::Server;
use super::command::{Run, killick, run};
use super::registry::{self, Registry, wait_until};
use super::service::{self, Service};

/// Two days of advisories, a key, and a home of whoever takes them.
struct Scene {
    folder: tempfile::TempDir,
    key: String,
}

impl Scene {
    fn new() -> Self {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let old = day(folder.path(), "day1", &[], None);
        day(folder.path(), "day2", &[3], Some(&Index::open(&old).expect("the first day")));
        let mut scene = Self { folder, key: String::new() };
        scene.key = scene.make_key("key");
        scene
    }

    fn path(&self, name: &str) -> String {
        self.folder.path().join(name).display().to_string()
    }

    fn bytes(&self, name: &str) -> Vec<u8> {
        fs_err::read(self.path(name)).expect("the file is there")
    }

    fn make_key(&self, name: &str) -> String {
        let made = self.run(&["db", "key", "generate", "--out", &self.path(name)]);
        assert_eq!((made.code, made.stderr.as_str()), (0, ""));
        made.stdout.trim().to_owned()
    }

    fn run(&self, arguments: &[&str]) -> Run {
        run(self.folder.path(), arguments)
    }

    /// Publishes a day, signed, for a week.
    fn publish(&self, day: &str, out: &str) {
        let (index, key) = (self.path(day), self.path("key"));
        let arguments = ["db", "export", "--db", &index, "--out", out, "--sign", &key, "--expires", "7d"];
        let result = self.run(&arguments);
        assert_eq!(result.code, 0, "{}", result.transcript());
    }

    /// Takes over what is published into the file `name`.
    fn take(&self, from: &str, name: &str, more: &[&str]) -> Run {
        let out = self.path(name);
        self.run(&[&["db", "import", from, "--out", &out], more].concat())
    }

    /// The same, which must succeed and give exactly the index of that day.
    fn take_day(&self, from: &str, name: &str, day: &str, more: &[&str]) -> String {
        let result = self.take(from, name, &[&["--key", &self.key], more].concat());
        assert_eq!((result.code, result.stderr.as_str()), (0, ""), "{}", result.transcript());
        assert!(self.bytes(name) == self.bytes(day), "byte for byte\n{}", result.stdout);
        result.stdout
    }

    /// The same, which must fail with these words and leave what was there.
    fn refuse(&self, from: &str, more: &[&str], words: &[&str]) {
        let name = "refused";
        fs_err::copy(self.path("day1"), self.path(name)).expect("a copy");
        let result = self.take(from, name, more);
        assert_eq!(result.code, 2, "{}", result.transcript());
        for word in words {
            assert!(result.stderr.contains(word), "`{word}` in\n{}", result.stderr);
        }
        assert!(self.bytes(name) == self.bytes("day1"), "what was there stays");
    }
}

/// An index of the Debian tracker as it was that day, with fixes for the packages in `changed`.
fn day(folder: &Path, name: &str, changed: &[u32], previous: Option<&Index>) -> PathBuf {
    let mut tracker = String::from("{");
    for package in 0..3000_u32 {
        let noise = killick_model::digest::Digest::of(&package.to_be_bytes()).hex();
        let release = if package % 3 != 0 || changed.contains(&package) {
            format!(r#"{{"status":"resolved","fixed_version":"1.{}-1"}}"#, &noise[..16])
        } else {
            r#"{"status":"open","urgency":"low"}"#.to_owned()
        };
        let comma = if package == 0 { "" } else { "," };
        write!(
            tracker,
            r#"{comma}"package-{package:04}":{{"CVE-2024-{package:04}":{{"releases":{{"bookworm":{release}}}}}}}"#
        )
        .expect("a text");
    }
    tracker.push('}');
    let root = folder.join(format!("feeds-{name}"));
    fs_err::create_dir_all(root.join("debian")).expect("the folder is writable");
    fs_err::write(root.join("debian/tracker.json"), tracker).expect("the folder is writable");
    let out = folder.join(name);
    build(&[root], &out, &BuildOptions { previous, ..BuildOptions::default() }).expect("an index");
    out
}

/// `fetched N of M bytes`.
fn fetched(stdout: &str) -> (usize, usize) {
    let line = stdout.lines().find(|line| line.starts_with("fetched ")).expect("it says what was fetched");
    let mut numbers = line.split(' ').filter_map(|word| word.parse().ok());
    (numbers.next().expect("a number"), numbers.next().expect("another"))
}

#[test]
fn a_folder_a_bundle_and_a_web_server_give_the_published_file() {
    let scene = Scene::new();
    let (folder, bundle) = (scene.path("published"), scene.path("bundle.tar"));
    scene.publish("day1", &folder);
    scene.publish("day1", &bundle);
    let server = Server::start(Path::new(&folder));
    for (from, name) in [(&folder, "from-folder"), (&bundle, "from-bundle"), (&server.url, "from-server")] {
        scene.take_day(from, name, "day1", &[]);
    }
    // The next day, in place: only what changed comes, also from a web server.
    scene.publish("day2", &folder);
    scene.publish("day2", &bundle);
    for (from, name) in [(&folder, "from-folder"), (&bundle, "from-bundle"), (&server.url, "from-server")] {
        let before = server.sent();
        let said = scene.take_day(from, name, "day2", &[]);
        let (part, all) = fetched(&said);
        assert!(part * 5 < all * 3 && said.contains("0 sources whole, the changes of 1"), "{said}");
        let sent = server.sent() - before;
        assert!(name != "from-server" || sent * 5 < all * 3, "{sent} of {all} bytes came over the wire");
        let again = scene.take_day(from, name, "day2", &[]);
        assert!(again.contains("it was in place already"), "{again}");
    }
    // A server that knows no parts gives whole blobs.
    let plain = Server::start_without_parts(Path::new(&folder));
    fs_err::copy(scene.path("day1"), scene.path("from-plain")).expect("a copy");
    let said = scene.take_day(&plain.url, "from-plain", "day2", &[]);
    assert!(said.contains("1 sources whole"), "{said}");
    // Whoever still reads by the first day's document finds its blobs; a third state lets them go.
    assert_eq!(fs_err::read_dir(format!("{folder}/blobs/sha256")).expect("blobs").count(), 4);
    scene.publish("day2", &folder);
    assert_eq!(fs_err::read_dir(format!("{folder}/blobs/sha256")).expect("blobs").count(), 2);
}

#[test]
fn what_is_imported_is_what_scans_use() {
    let scene = Scene::new();
    let folder = scene.path("published");
    scene.publish("day1", &folder);
    let result = scene.run(&["db", "import", &folder, "--key", &scene.path("key.pub")]);
    assert_eq!(result.code, 2, "no such file");
    fs_err::write(scene.path("key.pub"), format!("{}\n", scene.key)).expect("the folder is writable");
    let result = scene.run(&["db", "import", &folder, "--key", &scene.path("key.pub")]);
    assert_eq!((result.code, result.stderr.as_str()), (0, ""));
    let status = scene.run(&["db", "status"]);
    assert!(status.stdout.contains("statements 3000"), "{}", status.stdout);
    let id = status_of(&scene, &[])["signers"][0].as_str().expect("a key").to_owned();
    for line in [
        &format!("origin     publication `advisories` version 1790000000 of {folder}\n"),
        &format!("signed by  {id}\n"),
        "published  2026-09-21T14:13:20Z, expires at 2026-09-28T14:13:20Z\n",
        "fetched    2026-09-21T14:13:20Z, last compared 2026-09-21T14:13:20Z\n",
    ] {
        assert!(status.stdout.contains(line), "`{line}` in\n{}", status.stdout);
    }
    // Asked again two days later: it is still the same.
    let later = |arguments: &[&str], days: u64| {
        let mut command = killick(scene.folder.path());
        command.env("SOURCE_DATE_EPOCH", (1_790_000_000 + days * 86_400).to_string());
        Run::of(command.args(arguments).output().expect("the binary starts"))
    };
    let result = later(&["db", "import", &folder, "--key", &scene.key], 2);
    assert!(result.stdout.contains("in place already"), "{}", result.transcript());
    let origin = status_of(&scene, &[]);
    let instants = ["fetched", "checked"].map(|name| origin[name].as_str().unwrap_or_default());
    assert_eq!(instants, ["2026-09-21T14:13:20Z", "2026-09-23T14:13:20Z"]);
    assert!(later(&["db", "status"], 9).stdout.contains("expired at 2026-09-28T14:13:20Z"));
    // As before, a plain index file needs nobody's signature.
    let result = scene.run(&["db", "import", &scene.path("day2")]);
    assert!(result.code == 0 && result.stdout.contains("is in use"), "{}", result.transcript());
    let origin = status_of(&scene, &[]);
    assert_eq!((origin["kind"].as_str(), origin["file"].as_str()), (Some("file"), Some(scene.path("day2").as_str())));
    assert_eq!(status_of(&scene, &["--db", &scene.path("day2")])["kind"], "built");
    let home = tempfile::tempdir().expect("a temporary folder");
    let status = run(home.path(), &["db", "status"]);
    assert!(status.stdout.contains("origin     came with this program\n"), "{}", status.stdout);
    let status = scene.run(&["db", "status", "--db", &scene.path("day2")]);
    assert!(status.stdout.contains("origin     built here from 1 sources\n"), "{}", status.stdout);
}

/// What `db status` tells of the origin of the index.
fn status_of(scene: &Scene, more: &[&str]) -> serde_json::Value {
    let status = scene.run(&[&["db", "status", "-o", "json"][..], more].concat());
    let mut document: serde_json::Value = serde_json::from_str(&status.stdout).expect("JSON");
    document["origin"].take()
}

/// An index of several sources, of which `restricted` may not be passed on.
fn several(scene: &Scene, name: &str, restricted: &[&str]) -> String {
    let root = scene.folder.path().join(format!("feeds-{name}"));
    let put = |path: &str, text: &str| {
        let path = root.join(path);
        fs_err::create_dir_all(path.parent().expect("a folder")).expect("the folder is writable");
        fs_err::write(path, text).expect("the folder is writable");
    };
    let secdb = |seed: u32| {
        let package = |number: u32| {
            let noise = killick_model::digest::Digest::of(&[seed, number].map(u32::to_be_bytes).concat()).hex();
            format!(
                r#"{{"pkg":{{"name":"p{number}","secfixes":{{"1.{}-r0":["CVE-2024-{}"]}}}}}}"#,
                &noise[..20],
                seed * 10_000 + number
            )
        };
        format!(r#"{{"packages":[{}]}}"#, (0..2000).map(package).collect::<Vec<_>>().join(","))
    };
    for release in 15..21_u32 {
        put(&format!("alpine-secdb/v3.{release}/main.json"), &secdb(release));
    }
    for (path, seed) in restricted.iter().zip(1..) {
        put(path, &secdb(seed));
    }
    let out = scene.path(name);
    let result = scene.run(&["db", "build", "--from", &root.display().to_string(), "--out", &out]);
    assert_eq!(result.code, 0, "{}", result.transcript());
    out
}

#[test]
fn a_transfer_that_breaks_off_goes_on_where_it_was() {
    let scene = Scene::new();
    let (index, folder, out) = (several(&scene, "several", &[]), scene.path("published"), scene.path("taken"));
    scene.publish("several", &folder);
    let all = fs_err::metadata(&index).expect("the index").len();
    let all = usize::try_from(all).expect("a size");
    let breaking = Server::start_breaking(Path::new(&folder), all * 6 / 10);
    let result = scene.take(&breaking.url, "taken", &["--key", &scene.key]);
    assert_eq!(result.code, 2, "{}", result.transcript());
    assert!(result.stderr.contains("cannot fetch segment alpine/alpine:3."), "{}", result.stderr);
    assert!(result.stderr.contains("what came is kept"), "{}", result.stderr);
    assert!(!Path::new(&out).exists() && Path::new(&format!("{out}.part")).exists());
    let server = Server::start(Path::new(&folder));
    let said = scene.take_day(&server.url, "taken", "several", &[]);
    assert!(said.contains("bytes of an earlier attempt were there"), "{said}");
    assert!(server.sent() < all * 8 / 10, "{} of {all} bytes were sent again", server.sent());
    assert!(!Path::new(&format!("{out}.part")).exists());
}

#[test]
fn what_may_not_be_passed_on_is_not_published_by_accident() {
    let scene = Scene::new();
    let index = several(&scene, "several", &["wolfi/os/security.json", "chainguard/security.json"]);
    let (folder, key) = (scene.path("published"), scene.path("key"));
    let export = |more: &[&str]| {
        let arguments = ["db", "export", "--db", &index, "--out", &folder, "--sign", &key];
        scene.run(&[&arguments[..], more].concat())
    };
    let result = export(&[]);
    assert_eq!(result.code, 2, "{}", result.transcript());
    for word in ["secdb/chainguard, secdb/wolfi", "--public", "--private"] {
        assert!(result.stderr.contains(word), "`{word}` in\n{}", result.stderr);
    }
    assert!(!Path::new(&folder).join("manifest.json").exists());
    assert_eq!(export(&["--public", "--private"]).code, 2);

    let result = export(&["--public"]);
    assert_eq!((result.code, result.stderr.as_str()), (0, ""), "{}", result.transcript());
    assert!(result.stdout.contains("of 6 sources"), "{}", result.stdout);
    let without = several(&scene, "without", &[]);
    assert_eq!(scene.take(&folder, "taken", &["--key", &scene.key]).code, 0);
    assert!(scene.bytes("taken") == fs_err::read(without).expect("the index"), "as if it were built without them");

    let result = export(&["--private"]);
    assert!(result.code == 0 && result.stdout.contains("of 8 sources"), "{}", result.transcript());
    assert!(result.stderr.contains("the terms of 2 sources"), "{}", result.stderr);
    assert_eq!(scene.take(&folder, "taken", &["--key", &scene.key]).code, 0);
    assert!(scene.bytes("taken") == scene.bytes("several"));
}

#[test]
fn what_is_not_to_be_trusted_is_refused() {
    let scene = Scene::new();
    let (folder, old) = (scene.path("published"), scene.path("published-before"));
    scene.publish("day1", &old);
    scene.publish("day1", &folder);
    scene.publish("day2", &folder);
    let own = ["--key", scene.key.as_str()];
    let other = scene.make_key("other");
    scene.refuse(&folder, &[], &["no key is given", "--allow-unsigned"]);
    scene.refuse(&folder, &["--key", &other], &["not signed by a trusted key; it names", "--key"]);
    scene.refuse(&folder, &["--key", "ed25519:AAAA"], &["not an Ed25519 public key"]);

    // Another document under the same signature.
    let document = format!("{folder}/manifest.json");
    let good = fs_err::read_to_string(&document).expect("the document");
    let mut envelope: serde_json::Value = serde_json::from_str(&good).expect("JSON");
    let payload = STANDARD.decode(envelope["payload"].as_str().expect("a text")).expect("base64");
    let payload = String::from_utf8(payload).expect("UTF-8").replace("\"format\": 1", "\"format\": 1 ");
    envelope["payload"] = STANDARD.encode(payload).into();
    fs_err::write(&document, envelope.to_string()).expect("the folder is writable");
    scene.refuse(&folder, &own, &["wrong signature of the trusted key"]);
    fs_err::write(&document, "{}").expect("the folder is writable");
    scene.refuse(&folder, &own, &["manifest of the publication is malformed"]);
    fs_err::write(&document, format!("{}{good}", " ".repeat(17 << 20))).expect("the folder is writable");
    scene.refuse(&folder, &own, &["`manifest.json` is larger than"]);
    fs_err::write(&document, &good).expect("the folder is writable");

    // Blobs that are cut off, changed, or swapped for each other.
    let blobs: Vec<PathBuf> = fs_err::read_dir(format!("{old}/blobs/sha256"))
        .expect("blobs")
        .map(|entry| entry.expect("a blob").path())
        .collect();
    let [one, two] = blobs.as_slice() else { panic!("a segment and the manifest") };
    let (first, second) = (fs_err::read(one).expect("a blob"), fs_err::read(two).expect("a blob"));
    let (segment, bytes) = if first.len() > second.len() { (one, &first) } else { (two, &second) };
    let empty = scene.path("nothing");
    fs_err::create_dir_all(&empty).expect("the folder is writable");
    let broken = |bytes: &[u8], word: &str| {
        fs_err::write(segment, bytes).expect("the folder is writable");
        let result = scene.take(&old, "nothing/index", &own);
        assert_eq!(result.code, 2, "{}", result.transcript());
        assert!(result.stderr.contains("segment debian/debian:12"), "{}", result.stderr);
        assert!(result.stderr.contains(word), "`{word}` in {}", result.stderr);
        assert!(!Path::new(&format!("{empty}/index")).exists());
        // What was right of it would help the next one.
        fs_err::remove_file(format!("{empty}/index.part")).expect("what came is kept");
    };
    broken(&bytes[..bytes.len() / 2], "it ends after");
    broken(&[bytes.as_slice(), b"more"].concat(), "it has more than");
    let mut changed = bytes.clone();
    changed[100] ^= 1;
    broken(&changed, "wrong checksum");
    fs_err::write(segment, bytes).expect("the folder is writable");
    fs_err::write(one, &second).expect("the folder is writable");
    fs_err::write(two, &first).expect("the folder is writable");
    let result = scene.take(&old, "nothing/index", &own);
    assert!(result.stderr.contains("corrupt publication: the index's manifest"), "{}", result.stderr);
    fs_err::write(one, &first).expect("the folder is writable");
    fs_err::write(two, &second).expect("the folder is writable");

    // An older one after a newer one.
    scene.take_day(&folder, "current", "day2", &[]);
    let result = scene.take(&old, "current", &own);
    assert_eq!(result.code, 2);
    assert!(
        result.stderr.contains("was taken before") && result.stderr.contains("--allow-rollback"),
        "{}",
        result.stderr
    );
    assert!(scene.bytes("current") == scene.bytes("day2"));
    scene.take_day(&old, "current", "day1", &["--allow-rollback"]);
    fs_err::write(scene.path("current.trust.json"), "rubbish").expect("the folder is writable");
    let result = scene.take(&folder, "current", &own);
    assert!(result.stderr.contains("current.trust.json` cannot be used"), "{}", result.stderr);
}

#[test]
fn what_expired_is_refused() {
    let scene = Scene::new();
    let folder = scene.path("published");
    scene.publish("day1", &folder);
    let later = |days: u64, more: &[&str]| {
        let mut command = killick(scene.folder.path());
        command.env("SOURCE_DATE_EPOCH", (1_790_000_000 + days * 86_400).to_string());
        command.args(["db", "import", &folder, "--key", &scene.key, "--out", &scene.path("out")]).args(more);
        Run::of(command.output().expect("the binary starts"))
    };
    assert_eq!(later(6, &[]).code, 0);
    let result = later(7, &[]);
    assert_eq!(result.code, 2);
    assert!(result.stderr.contains("expired at 2026-09-28T"), "{}", result.stderr);
    assert_eq!(later(7, &["--allow-expired"]).code, 0);
}

/// Names in a bundle are looked up, never written to.
#[test]
fn a_hostile_bundle_writes_nothing_elsewhere() {
    let scene = Scene::new();
    let folder = scene.path("published");
    scene.publish("day2", &folder);
    let bundle = scene.path("hostile.tar");
    let mut archive = tar::Builder::new(fs_err::File::create(&bundle).expect("the folder is writable"));
    let mut add = |name: &str, kind: tar::EntryType, link: &str, bytes: &[u8]| {
        let mut header = tar::Header::new_gnu();
        header.set_entry_type(kind);
        header.set_size(bytes.len() as u64);
        header.set_mode(0o644);
        // As it is: the library refuses such names.
        header.as_gnu_mut().expect("the kind of header").name[..name.len()].copy_from_slice(name.as_bytes());
        header.as_gnu_mut().expect("the kind of header").linkname[..link.len()].copy_from_slice(link.as_bytes());
        header.set_cksum();
        archive.append(&header, bytes).expect("the file is writable");
    };
    let document = fs_err::read(format!("{folder}/manifest.json")).expect("the document");
    add("../../escaped", tar::EntryType::Regular, "", b"x");
    add(&format!("{}/escaped", scene.folder.path().display()), tar::EntryType::Regular, "", b"x");
    add("manifest.json", tar::EntryType::Regular, "", &document);
    add("blobs/sha256", tar::EntryType::Symlink, "/", b"");
    for entry in fs_err::read_dir(format!("{folder}/blobs/sha256")).expect("blobs") {
        let name = entry.expect("a blob").file_name().into_string().expect("UTF-8");
        add(&format!("blobs/sha256/{name}"), tar::EntryType::Symlink, "/etc/passwd", b"");
    }
    archive.into_inner().expect("the file is writable");
    scene.refuse(
        &bundle,
        &["--key", &scene.key],
        &["cannot fetch the index's manifest", "link that leads to no member"],
    );
    assert!(!scene.folder.path().join("escaped").exists());
    fs_err::write(scene.path("short.tar"), &fs_err::read(&bundle).expect("the bundle")[..2700]).expect("writable");
    scene.refuse(&scene.path("short.tar"), &["--key", &scene.key], &["ends in the middle of"]);
    fs_err::write(scene.path("none.tar"), b"no archive").expect("writable");
    scene.refuse(&scene.path("none.tar"), &["--key", &scene.key], &["is no tar archive", "db export"]);
}

#[test]
fn a_registry_holds_publications_as_artifacts() {
    let scene = Scene::new();
    let registry = Registry::start();
    let place = format!("oci://{}/team/advisories:latest", registry.address);
    let login = ["--plain-http", "--registry-user", registry::USER, "--registry-pass", registry::PASSWORD];
    let publish = |day: &str| {
        let (index, key) = (scene.path(day), scene.path("key"));
        let arguments = ["db", "export", "--db", &index, "--out", &place, "--sign", &key];
        let result = scene.run(&[&arguments[..], &login].concat());
        assert_eq!(result.code, 0, "{}", result.transcript());
        result.stdout
    };
    assert!(publish("day1").contains("wrote 2 blobs"));
    assert!(publish("day1").contains("wrote 0 blobs"), "what is there is not sent again");
    scene.take_day(&place, "taken", "day1", &login);
    publish("day2");
    let said = scene.take_day(&place, "taken", "day2", &login);
    let (part, all) = fetched(&said);
    assert!(part * 5 < all * 3 && said.contains("the changes of 1"), "{said}");
    scene.refuse(&place, &["--key", &scene.key, "--plain-http"], &["refused anonymous access"]);
    // An image is no publication.
    registry.push("team/image", "1", &super::image::Image::example());
    let image = format!("oci://{}/team/image:1", registry.address);
    let more = [&["--key", scene.key.as_str()][..], &login].concat();
    scene.refuse(&image, &more, &["is no published index: it is of the type"]);
}

#[test]
fn a_bucket_is_written_and_read() {
    let scene = Scene::new();
    let folder = scene.path("bucket-root");
    fs_err::create_dir_all(&folder).expect("the folder is writable");
    let server = Server::start(Path::new(&folder));
    let run = |arguments: &[&str]| {
        let mut command = killick(scene.folder.path());
        command.env("AWS_ENDPOINT_URL_S3", &server.url).env("AWS_REGION", "eu-test-1");
        command.env("AWS_ACCESS_KEY_ID", place::ACCESS_KEY).env("AWS_SECRET_ACCESS_KEY", "secret");
        Run::of(command.args(arguments).output().expect("the binary starts"))
    };
    let (index, key, out) = (scene.path("day1"), scene.path("key"), scene.path("taken"));
    let place = "s3://my-bucket/advisories/v1";
    let result = run(&["db", "export", "--db", &index, "--out", place, "--sign", &key]);
    assert_eq!(result.code, 0, "{}", result.transcript());
    assert!(Path::new(&format!("{folder}/my-bucket/advisories/v1/manifest.json")).exists());
    let result = run(&["db", "import", place, "--key", &scene.key, "--out", &out]);
    assert_eq!((result.code, result.stderr.as_str()), (0, ""), "{}", result.transcript());
    assert!(scene.bytes("taken") == scene.bytes("day1"));
    let result = run(&["db", "import", "s3://my-bucket/nothing", "--key", &scene.key, "--out", &out]);
    assert!(result.stderr.contains("answered 404 for `manifest.json`"), "{}", result.stderr);
}

#[test]
fn a_server_takes_what_is_published_and_hands_it_to_its_clients() {
    let scene = Scene::new();
    let folder = scene.path("published");
    // Nothing expires while the test runs, whatever the time is.
    let unexpiring = |day: &str| {
        let (index, key) = (scene.path(day), scene.path("key"));
        let result = scene.run(&["db", "export", "--db", &index, "--out", &folder, "--sign", &key]);
        assert_eq!(result.code, 0, "{}", result.transcript());
    };
    unexpiring("day1");
    let service = Service::start_with(&[
        ("KILLICK__KNOWLEDGE__FROM", folder.clone()),
        ("KILLICK__KNOWLEDGE__KEYS", format!("[\"{}\"]", scene.key)),
        ("KILLICK__KNOWLEDGE__REFRESH_SECONDS", "1".to_owned()),
        ("KILLICK__KNOWLEDGE__RELOAD_SECONDS", "1".to_owned()),
    ]);
    let out = scene.path("client");
    let arguments = ["db", "import", "--server", "--out", &out];
    let fetch = |day: &str, more: &[&str]| {
        let mut last = None;
        wait_until("the server has the index of the day", || {
            let result = service.client(&[&arguments, more].concat());
            let is_there = result.code == 0 && scene.bytes("client") == scene.bytes(day);
            last = Some(result);
            is_there
        });
        last.expect("a run").stdout
    };
    let said = fetch("day1", &[]);
    assert!(said.contains("not verified"), "{said}");
    // The publisher's signature came along.
    let said = fetch("day1", &["--key", &scene.key]);
    assert!(said.contains("signed by"), "{said}");
    let told = service.client(&["--json", "system", "feeds", "list"]);
    let told: serde_json::Value = serde_json::from_str(&told.stdout).expect("JSON");
    let origin = &told[0]["origin"];
    assert_eq!((origin["kind"].as_str(), origin["place"].as_str()), (Some("publication"), Some(folder.as_str())));
    unexpiring("day2");
    let said = fetch("day2", &["--key", &scene.key]);
    assert!(said.contains("0 sources whole, the changes of 1") || said.contains("in place"), "{said}");

    let stranger = scene.run(&["--url", &service.url, "--u", "admin", "--p", "wrong", "db", "import", "--server"]);
    assert_eq!(stranger.code, 2);
    assert!(stranger.stderr.contains("answered 401"), "{}", stranger.stderr);
    let named = ["--url", &service.url, "--u", "admin", "--p", service::PASSWORD];
    let result = scene.run(&[&named[..], &["db", "import", "--server", "--out", &scene.path("named")]].concat());
    assert_eq!(result.code, 0, "{}", result.transcript());
    let result = scene.run(&[&named[..], &["db", "status"]].concat());
    assert!(result.stderr.contains("for commands that speak to a server"), "{}", result.stderr);
}
