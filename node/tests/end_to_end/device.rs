//! A device under test: its own data directory, its daemon, and commands that talk to it.

use std::io::{BufRead, BufReader, Read, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdout, Command, Stdio};
use std::sync::mpsc;
use std::time::Duration;

use serde_json::Value as Json;
use tempfile::TempDir;

/// Longest wait for anything that is expected to happen.
pub const PATIENCE: Duration = Duration::from_secs(30);

/// What a command did.
#[derive(Debug)]
pub struct Ran {
    pub code: i32,
    pub stdout: String,
    pub stderr: String,
}

impl Ran {
    /// Checks that it failed as said: exit code, message, hint.
    #[track_caller]
    pub fn failed(&self, code: i32, message: &str, hint: &str) {
        assert_eq!(self.code, code, "{self:?}");
        let says = |start: &str, what: &str| {
            self.stderr.lines().any(|line| line.starts_with(start) && line.contains(what))
        };
        assert!(says("error: ", message), "{self:?}");
        assert!(says("  hint: ", hint), "{self:?}");
        assert_eq!(self.stdout, "", "{self:?}");
    }
}

/// Runs the command with these arguments, `--data-dir` included where it is wanted.
///
/// A command that does not end is killed, and the test with it.
#[track_caller]
pub fn meshwork(args: &[&str]) -> Ran {
    meshwork_with(args, "", &[])
}

/// Runs the command with a standard input and variables.
#[track_caller]
pub fn meshwork_with(args: &[&str], input: &str, variables: &[(&str, &str)]) -> Ran {
    let mut child = command()
        .args(args)
        .envs(variables.iter().copied())
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("the command can be run");
    let mut stdin = child.stdin.take().expect("the input is piped");
    // Whoever reads no input may have gone already.
    stdin.write_all(input.as_bytes()).ok();
    drop(stdin);
    let stdout = all(child.stdout.take().expect("the output is piped"));
    let stderr = all(child.stderr.take().expect("the talk is piped"));
    let Ok(stdout) = stdout.recv_timeout(PATIENCE) else {
        child.kill().ok();
        child.wait().ok();
        panic!("{args:?} did not end");
    };
    Ran {
        code: child.wait().ok().and_then(|status| status.code()).expect("it was not killed"),
        stdout,
        stderr: stderr.recv_timeout(PATIENCE).expect("the talk ends with the output"),
    }
}

fn all(mut stream: impl Read + Send + 'static) -> mpsc::Receiver<String> {
    let (sender, receiver) = mpsc::channel();
    std::thread::spawn(move || {
        let mut text = String::new();
        stream.read_to_string(&mut text).expect("what is said is UTF-8");
        sender.send(text).ok();
    });
    receiver
}

/// The command without the variables of whoever runs the tests.
pub fn command() -> Command {
    clean(Command::new(env!("CARGO_BIN_EXE_meshwork")))
}

/// Takes from a command what would tell it about whoever runs the tests.
pub fn clean(mut command: Command) -> Command {
    for (name, _) in std::env::vars().filter(|(name, _)| name.starts_with("MESHWORK_")) {
        command.env_remove(name);
    }
    command.env_remove("EDITOR").env_remove("VISUAL").stdin(Stdio::null());
    command
}

/// A device and its daemon.
pub struct Device {
    dir: TempDir,
    daemon: Option<Child>,
    pub started: Json,
}

impl Device {
    /// A new device, up on loopback.
    pub fn up(name: &str) -> Self {
        let dir = tempfile::tempdir().expect("a temporary directory can be made");
        let mut device = Self { dir, daemon: None, started: Json::Null };
        device.start(&["--name", name]);
        device
    }

    /// A device whose data are there already, not up.
    pub fn at(dir: TempDir) -> Self {
        Self { dir, daemon: None, started: Json::Null }
    }

    /// Starts the daemon again.
    pub fn start(&mut self, extra: &[&str]) {
        assert!(self.daemon.is_none(), "the daemon is up already");
        let mut child = command()
            .args(["--json", "--data-dir", self.path_text(), "up", "--no-mdns"])
            .args(["--listen", "/ip4/127.0.0.1/tcp/0"])
            .args(extra)
            .stdout(Stdio::piped())
            .spawn()
            .expect("the daemon can be started");
        let stdout = child.stdout.take().expect("the output is piped");
        let line = lines(stdout).recv_timeout(PATIENCE).expect("the daemon says where it is");
        self.started = serde_json::from_str(&line).expect("what it says is JSON");
        self.daemon = Some(child);
    }

    /// Kills the daemon as a power cut would, and waits until it is gone.
    pub fn kill(&mut self) {
        let mut daemon = self.daemon.take().expect("the daemon is up");
        daemon.kill().expect("the daemon can be killed");
        daemon.wait().expect("the daemon can be waited for");
    }

    /// Stops the daemon by command, and returns its exit code.
    pub fn stop(&mut self) -> i32 {
        self.ok(&["stop"]);
        self.wait()
    }

    /// Waits until the daemon ends by itself.
    pub fn wait(&mut self) -> i32 {
        let mut daemon = self.daemon.take().expect("the daemon is up");
        daemon.wait().expect("the daemon can be waited for").code().expect("it was not killed")
    }

    pub fn pid(&self) -> u32 {
        self.daemon.as_ref().expect("the daemon is up").id()
    }

    pub fn path(&self) -> &Path {
        self.dir.path()
    }

    pub fn store(&self) -> PathBuf {
        self.dir.path().join("store")
    }

    fn path_text(&self) -> &str {
        self.dir.path().to_str().expect("temporary paths are UTF-8")
    }

    /// Runs a command against this device.
    pub fn run(&self, args: &[&str]) -> Ran {
        let mut all = vec!["--data-dir", self.path_text()];
        all.extend(args);
        meshwork(&all)
    }

    /// Runs a command that must succeed; returns what it printed, without the final line end.
    #[track_caller]
    pub fn ok(&self, args: &[&str]) -> String {
        let ran = self.run(args);
        assert_eq!(ran.code, 0, "{args:?}: {ran:?}");
        ran.stdout.trim_end_matches('\n').to_owned()
    }

    /// Runs a command that must succeed with `--json`.
    #[track_caller]
    pub fn json(&self, args: &[&str]) -> Json {
        let mut all = vec!["--json"];
        all.extend(args);
        serde_json::from_str(&self.ok(&all)).expect("the answer is JSON")
    }

    /// Follows a space.
    pub fn watch(&self, args: &[&str]) -> Watching {
        let mut child = command()
            .args(["--json", "--data-dir", self.path_text(), "watch"])
            .args(args)
            .stdout(Stdio::piped())
            .spawn()
            .expect("the watch can be started");
        let messages = lines(child.stdout.take().expect("the output is piped"));
        Watching { child, messages }
    }

    /// Waits to be made another member's: a running `device link --json`, whose first message has the code.
    pub fn link(&self) -> Watching {
        let mut child = command()
            .args(["--json", "--data-dir", self.path_text(), "device", "link"])
            .stdout(Stdio::piped())
            .spawn()
            .expect("the wait can be started");
        let messages = lines(child.stdout.take().expect("the output is piped"));
        Watching { child, messages }
    }

    /// Runs a command with something on its standard input.
    pub fn told(&self, args: &[&str], input: &str) -> Ran {
        let mut all = vec!["--data-dir", self.path_text()];
        all.extend(args);
        meshwork_with(&all, input, &[])
    }

    /// Sends a raw request to the API; returns status and body.
    pub fn request(
        &self,
        method: &str,
        path: &str,
        headers: &[(&str, &str)],
        body: &str,
    ) -> (u16, String) {
        let api = self.started["api"].as_str().expect("the API's address is text");
        let agent: ureq::Agent = ureq::Agent::config_builder()
            .http_status_as_error(false)
            .proxy(None)
            .build()
            .new_agent();
        let request = headers.iter().fold(
            ureq::http::Request::builder().method(method).uri(format!("{api}{path}")),
            |request, (name, value)| request.header(*name, *value),
        );
        let mut answer = agent
            .run(request.body(body.to_owned()).expect("the request is well-formed"))
            .expect("the API answers");
        let text = answer.body_mut().read_to_string().expect("the answer is text");
        (answer.status().as_u16(), text)
    }

    /// The value of the `Authorization` header the API wants.
    pub fn bearer(&self) -> String {
        let json = std::fs::read(self.path().join("api.json")).expect("the daemon is up");
        let endpoint: Json = serde_json::from_slice(&json).expect("api.json is JSON");
        format!("Bearer {}", endpoint["token"].as_str().expect("the token is text"))
    }

    /// The digest of a space.
    pub fn digest(&self, space: &str) -> Json {
        let path = format!("/v1/spaces/{space}/digest");
        let (status, body) = self.request("GET", &path, &[("authorization", &self.bearer())], "");
        assert_eq!(status, 200, "{body}");
        serde_json::from_str(&body).expect("the answer is JSON")
    }
}

impl Drop for Device {
    fn drop(&mut self) {
        if let Some(mut daemon) = self.daemon.take() {
            daemon.kill().ok();
            daemon.wait().ok();
        }
    }
}

/// A running command that goes on printing JSON.
pub struct Watching {
    child: Child,
    messages: mpsc::Receiver<String>,
}

impl Watching {
    /// The next message.
    #[track_caller]
    pub fn next(&self) -> Json {
        let line = self.messages.recv_timeout(PATIENCE).expect("a message arrives");
        serde_json::from_str(&line).expect("a message is JSON")
    }

    /// Waits until an object is shown with a value, in a snapshot or a change.
    #[track_caller]
    pub fn until(&self, object: &str, value: &Json) {
        loop {
            let message = self.next();
            let change = [&message["object"]];
            let shown = message["objects"].as_array().map(|all| all.iter().collect::<Vec<_>>());
            if shown
                .unwrap_or(change.to_vec())
                .iter()
                .any(|shown| shown["name"] == object && shown["value"] == *value)
            {
                return;
            }
        }
    }
}

impl Drop for Watching {
    fn drop(&mut self) {
        self.child.kill().ok();
        self.child.wait().ok();
    }
}

/// What a process prints, line by line, as it prints it.
pub fn lines(stdout: ChildStdout) -> mpsc::Receiver<String> {
    let (sender, receiver) = mpsc::channel();
    std::thread::spawn(move || {
        for line in BufReader::new(stdout).lines().map_while(Result::ok) {
            if sender.send(line).is_err() {
                return;
            }
        }
    });
    receiver
}

/// Two devices that share a space called `home`.
pub fn pair() -> (Device, Device) {
    let (a, b) = (Device::up("a"), Device::up("b"));
    a.ok(&["space", "create", "home"]);
    let ticket = a.ok(&["invite", "home"]);
    b.ok(&["join", &ticket]);
    (a, b)
}
