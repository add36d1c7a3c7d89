//! What is asked at a terminal: `script`, of every Debian and Ubuntu, has one.

use std::io::{Read as _, Write as _};
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::{Arc, Mutex};

use crate::command::{killick, repository};
use crate::registry::{free_port, wait_until};
use crate::service::{PASSWORD, Service};

/// A shell at a terminal, in which one command runs; then it tells how that ended, and how the terminal is set.
struct Terminal {
    process: Child,
    keyboard: ChildStdin,
    screen: Arc<Mutex<String>>,
    home: tempfile::TempDir,
}

impl Terminal {
    fn login(server: &str) -> Self {
        let home = tempfile::tempdir().expect("a folder");
        let like = killick(home.path());
        // The shell outlives what is meant for its command.
        let words =
            format!("trap : INT; {} login {server} --name t; echo \"code $?\"; stty -a", like.get_program().display());
        let mut process = Command::new("script")
            .args(["--quiet", "--command", &words, "/dev/null"])
            .env_clear()
            .envs(like.get_envs().filter_map(|(name, value)| Some((name, value?))))
            // The clock of the server.
            .env_remove("SOURCE_DATE_EPOCH")
            .current_dir(repository())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("`script` is there");
        let keyboard = process.stdin.take().expect("a pipe");
        let mut output = process.stdout.take().expect("a pipe");
        let screen = Arc::new(Mutex::new(String::new()));
        let shown = Arc::clone(&screen);
        std::thread::spawn(move || {
            let mut bytes = [0; 1024];
            while let Ok(read @ 1..) = output.read(&mut bytes) {
                shown.lock().expect("nobody panics").push_str(&String::from_utf8_lossy(&bytes[..read]));
            }
        });
        Self { process, keyboard, screen, home }
    }

    fn shows(&self, text: &str) -> bool {
        self.screen.lock().expect("nobody panics").contains(text)
    }

    /// Types once the text is there.
    fn answer(&mut self, question: &str, keys: &str) {
        wait_until(question, || self.shows(question));
        self.keyboard.write_all(keys.as_bytes()).expect("the terminal takes it");
        self.keyboard.flush().expect("the terminal takes it");
    }

    /// Everything that was shown, up to the exit code; the terminal must be sane again.
    fn end(mut self) -> String {
        wait_until("the terminal tells how it is set", || self.shows("code ") && self.shows("echo"));
        let _ = self.process.kill();
        let _ = self.process.wait();
        let shown = self.screen.lock().expect("nobody panics").replace('\r', "");
        let (shown, settings) = shown.split_once("code ").expect("it was waited for");
        let (code, settings) = settings.split_once('\n').expect("a line");
        let words: Vec<&str> = settings.split([' ', ';', '\n']).collect();
        for word in ["echo", "icanon", "isig"] {
            assert!(words.contains(&word), "{word} in {settings}");
        }
        format!("{shown}code {code}")
    }
}

#[test]
fn a_password_is_asked_for_and_not_shown() {
    let service = Service::start();
    let mut terminal = Terminal::login(service.url.trim_end_matches("/v1"));
    terminal.answer("User: ", "admin\n");
    terminal.answer("Password: ", &format!("{PASSWORD}\n"));
    wait_until("it is logged in", || terminal.shows("code "));
    assert!(terminal.home.path().join(".config/killick/contexts.json").exists());
    let shown = terminal.end();
    assert!(shown.starts_with("User: admin\nPassword: \nLogged in to "), "{shown}");
    assert!(shown.ends_with("code 0") && !shown.contains(PASSWORD), "{shown}");
}

/// Whoever gives up, or has nothing to say, gets the terminal back as it was.
#[test]
fn a_login_that_is_given_up_leaves_the_terminal_as_it_was() {
    const INTERRUPT: &str = "\u{3}";
    const END: &str = "\u{4}";
    const NOTHING: &str = "error: nothing was typed as `Password`\n\
        hint: type it, or give `--user NAME`, and `--password-stdin` or KILLICK_PASS\n";
    let nobody = format!("http://127.0.0.1:{}", free_port());
    for (keys, want) in [
        ("secr\u{3}", "error: interrupted: nobody is logged in\n"),
        (INTERRUPT, "error: interrupted: nobody is logged in\n"),
        (END, NOTHING),
        ("\n", NOTHING),
    ] {
        let mut terminal = Terminal::login(&nobody);
        terminal.answer("User: ", "admin\n");
        terminal.answer("Password: ", keys);
        assert_eq!(terminal.end(), format!("User: admin\nPassword: \n{want}code 2"), "{keys:?}");
    }
    let mut terminal = Terminal::login(&nobody);
    terminal.answer("User: ", INTERRUPT);
    let shown = terminal.end();
    assert!(shown.ends_with("\nerror: interrupted: nobody is logged in\ncode 2"), "{shown}");
}
