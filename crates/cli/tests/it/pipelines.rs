//! The pieces of `integrations/`: what is in them is taken out and run, as their systems would.

use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::Value;

use crate::command::{Run, repository};

/// A folder to run in, with the example image.
struct Job {
    folder: tempfile::TempDir,
}

impl Job {
    fn new() -> Self {
        Self { folder: tempfile::tempdir().expect("a temporary folder") }
    }

    /// Runs `script` in `shell` with nothing but these variables.
    fn run(&self, shell: &str, script: &str, variables: &[(&str, &str)]) -> Run {
        let mut command = self.command(shell);
        command.args(["-c", script]).envs(variables.iter().copied());
        Run::of(command.output().expect("the shell starts"))
    }

    fn command(&self, program: &str) -> Command {
        let binary = Path::new(env!("CARGO_BIN_EXE_killick")).parent().expect("a folder").display().to_string();
        let mut command = Command::new(program);
        command
            .env_clear()
            .env("HOME", self.folder.path())
            .env("PATH", format!("{binary}:/usr/bin:/bin"))
            .current_dir(self.folder.path());
        command
    }

    fn read(&self, name: &str) -> String {
        fs_err::read_to_string(self.folder.path().join(name)).expect("the job wrote it")
    }
}

fn piece(name: &str) -> String {
    fs_err::read_to_string(repository().join("integrations").join(name)).expect("the piece is there")
}

fn yaml(name: &str) -> Value {
    serde_saphyr::from_str(&piece(name)).expect("the piece is YAML")
}

fn example(name: &str) -> String {
    repository().join("examples").join(name).display().to_string()
}

/// With the production bundle the example is stopped; without, it is only told about. A file that is not there is
/// neither.
fn outcomes(run: impl Fn(&Job, &str, &str) -> Run) -> Job {
    let (image, bundle) = (example("shop.tar"), example("bundles/production.json"));
    for (image, bundle, want) in [(image.as_str(), "", 0), ("/no/such/image.tar", "", 2), ("$(touch hacked)", "", 2)] {
        let job = Job::new();
        let told = run(&job, image, bundle);
        assert_eq!(told.code, want, "{image}\n{}", told.transcript());
        assert!(!job.folder.path().join("hacked").exists(), "{image} was a command");
    }
    let job = Job::new();
    let told = run(&job, &image, &bundle);
    assert_eq!(told.code, 1, "{}", told.transcript());
    assert!(told.stdout.contains("stop"), "{}", told.transcript());
    job
}

#[test]
fn github() {
    let action = yaml("github/action.yml");
    let step = &action["runs"]["steps"][0];
    for (variable, input) in step["env"].as_object().expect("variables") {
        let name = input.as_str().expect("text").trim_start_matches("${{ inputs.").trim_end_matches(" }}");
        assert!(action["inputs"].get(name).is_some(), "{variable} is of an input that is not there: {name}");
    }
    let script = step["run"].as_str().expect("a script");
    let job = outcomes(|job, image, policy| {
        let page = job.folder.path().join("summary.md").display().to_string();
        let variables = [
            ("IMAGE", image),
            ("POLICY", policy),
            ("FAIL_ON", ""),
            ("SARIF", "killick.sarif"),
            ("GITHUB_STEP_SUMMARY", page.as_str()),
        ];
        job.run("bash", script, &variables)
    });
    let sarif: Value = serde_json::from_str(&job.read("killick.sarif")).expect("JSON");
    assert_eq!(sarif["version"], "2.1.0");
    assert!(job.read("summary.md").contains('|'));
}

#[test]
fn gitlab() {
    let template = yaml("gitlab/killick.gitlab-ci.yml");
    let template = &template[".killick"];
    let script = template["script"][0].as_str().expect("a script");
    let job = outcomes(|job, image, policy| {
        let variables = [("KILLICK_SCAN_IMAGE", image), ("KILLICK_SCAN_POLICY", policy), ("KILLICK_SCAN_FAIL_ON", "")];
        job.run("sh", script, &variables)
    });
    for report in template["artifacts"]["reports"].as_object().expect("reports").values() {
        assert!(!job.read(report.as_str().expect("a file")).is_empty(), "{report}");
    }
    let report: Value = serde_json::from_str(&job.read("gl-container-scanning-report.json")).expect("JSON");
    assert!(report["vulnerabilities"].as_array().is_some_and(|found| !found.is_empty()));
}

#[test]
fn gitlab_logs_in_to_the_registry_of_the_project_alone() {
    let template = yaml("gitlab/killick.gitlab-ci.yml");
    let template = &template[".killick"];
    let variables = template["variables"].to_string();
    assert!(!variables.contains("CI_REGISTRY_PASSWORD"), "every image gets the login: {variables}");
    let script = template["script"][0].as_str().expect("a script");
    // In place of `killick`, one that tells whom it was told to be.
    let killick = r#"killick() { echo "${KILLICK_REGISTRY_USER-nobody} ${KILLICK_REGISTRY_PASS-nothing} $*"; }"#;
    let script = format!("{killick}\n{script}");
    let job = Job::new();
    for (image, want) in [
        ("registry.example.com:5050/shop/web:1", "robot secret "),
        ("registry:registry.example.com:5050/shop/web:1", "robot secret "),
        ("alpine:3.20", "nobody nothing "),
        ("evil.example.org/registry.example.com:5050/shop/web:1", "nobody nothing "),
        ("registry.example.com:50501/shop/web:1", "nobody nothing "),
        ("registry.example.com:5050.evil.example.org/shop/web:1", "nobody nothing "),
        ("image.tar", "nobody nothing "),
    ] {
        let variables = [
            ("KILLICK_SCAN_IMAGE", image),
            ("CI_REGISTRY", "registry.example.com:5050"),
            ("CI_REGISTRY_USER", "robot"),
            ("CI_REGISTRY_PASSWORD", "secret"),
        ];
        let told = job.run("sh", &script, &variables);
        assert_eq!(told.code, 0, "{image}\n{}", told.transcript());
        assert!(told.stdout.starts_with(want), "{image}\n{}", told.transcript());
        assert!(!told.stdout.trim_start_matches(want).contains("robot"), "{image}\n{}", told.transcript());
    }
}

#[test]
fn jenkins() {
    let pipeline = piece("jenkins/Jenkinsfile");
    let script = pipeline.split("'''").nth(1).expect("a script");
    let job =
        outcomes(|job, image, policy| job.run("sh", script, &[("IMAGE", image), ("POLICY", policy), ("FAIL_ON", "")]));
    for file in ["killick.junit.xml", "killick.html"] {
        assert!(pipeline.contains(&format!("'{file}'")), "{file} is not kept");
        assert!(!job.read(file).is_empty(), "{file}");
    }
}

#[test]
fn tekton() {
    let task = yaml("tekton/killick-scan.yaml");
    let step = &task["spec"]["steps"][0];
    let names: Vec<&str> = task["spec"]["params"]
        .as_array()
        .expect("parameters")
        .iter()
        .map(|parameter| parameter["name"].as_str().expect("a name"))
        .collect();
    let text = piece("tekton/killick-scan.yaml");
    for used in text.split("$(params.").skip(1).filter_map(|rest| rest.split(')').next()) {
        assert!(names.contains(&used), "{used} is no parameter");
    }
    let script = step["script"].as_str().expect("a script");
    outcomes(|job, image, policy| {
        let variables = [("IMAGE", image), ("POLICY", policy), ("FAIL_ON", ""), ("VERDICT", "verdict")];
        let told = job.run("sh", script, &variables);
        let want = match told.code {
            0 => "pass",
            1 => "fail",
            _ => "error",
        };
        assert_eq!(job.read("verdict"), want, "{image}\n{}", told.transcript());
        told
    });
}

#[test]
fn git() {
    let job = Job::new();
    let git = |arguments: &[&str]| {
        let output = job.command("git").args(arguments).output().expect("git starts");
        assert!(output.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
    };
    let hook: PathBuf = repository().join("integrations/git/pre-push");
    git(&["init", "-q", "."]);
    let lock = |name: &str, version: &str| {
        let text = format!(
            r#"{{"name": "a", "lockfileVersion": 3, "packages": {{"node_modules/{name}": {{"version": "{version}",
            "resolved": "https://registry.npmjs.org/{name}/-/{name}-{version}.tgz"}}}}}}"#
        );
        fs_err::write(job.folder.path().join("package-lock.json"), text).expect("a file");
    };
    let commit = |name: &str, version: &str| {
        lock(name, version);
        git(&["add", "package-lock.json"]);
        git(&["-c", "user.name=a", "-c", "user.email=a@example.com", "commit", "-q", "-m", name]);
    };
    // As git calls it, for one ref.
    let push = |commit: &str| {
        let script =
            format!("echo \"refs/heads/a $(git rev-parse {commit}) refs/heads/a $(git rev-parse HEAD)\" | sh \"$1\"");
        Run::of(job.command("sh").args(["-c", &script, "sh"]).arg(&hook).output().expect("the hook starts"))
    };
    commit("lodash", "4.17.15");
    for (severity, want) in [("high", 1), ("critical", 0)] {
        git(&["config", "killick.failOn", severity]);
        let told = push("HEAD");
        assert_eq!(told.code, want, "{severity}\n{}", told.transcript());
        assert_eq!(told.stderr.contains("refused by killick"), want == 1, "{}", told.transcript());
        assert_eq!(told.stderr.contains("--no-verify"), want == 1, "{}", told.transcript());
    }
    // What is pushed is judged, and not what lies about.
    git(&["config", "killick.failOn", "high"]);
    commit("harmless", "1.0.0");
    lock("lodash", "4.17.15");
    for (what, want) in [("HEAD", 0), ("HEAD~", 1)] {
        let told = push(what);
        assert_eq!(told.code, want, "{what}\n{}", told.transcript());
    }
    let deleted = "echo \"(delete) $(printf %040d 0) refs/heads/a $(git rev-parse HEAD~)\" | sh \"$1\"";
    let told = Run::of(job.command("sh").args(["-c", deleted, "sh"]).arg(&hook).output().expect("the hook starts"));
    assert_eq!(told.code, 0, "{}", told.transcript());

    git(&["config", "killick.policy", "none.json"]);
    let told = push("HEAD");
    assert_eq!(told.code, 2, "{}", told.transcript());
    assert!(told.stderr.contains("could not judge") && told.stderr.contains("--no-verify"), "{}", told.transcript());
    let without = job.command("sh").arg(&hook).env("PATH", "/usr/bin:/bin").output().expect("the hook starts");
    let told = Run::of(without);
    assert_eq!(told.code, 2, "{}", told.transcript());
    assert!(
        told.stderr.contains("killick is not on the PATH") && told.stderr.contains("--no-verify"),
        "{}",
        told.transcript()
    );
}
