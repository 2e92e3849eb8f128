//! Two nodes on one network segment that know nothing of each other's address: mDNS must do.
//!
//! The segment is a pair of network namespaces joined by a veth cable, which takes root; elsewhere
//! the test says that it was skipped.

use std::process::{Child, Command, Output, Stdio};
use std::time::Instant;

use tempfile::TempDir;

use crate::device::{PATIENCE, lines};

fn ip(args: &str) -> Result<(), String> {
    let output = Command::new("ip").args(args.split(' ')).output().map_err(|e| e.to_string())?;
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    if output.status.success() { Ok(()) } else { Err(said) }
}

/// Two namespaces with a cable between them; gone when this is.
struct Segment {
    names: [String; 2],
}

impl Segment {
    fn lay() -> Result<Self, String> {
        let id = std::process::id();
        let names = [format!("meshwork-{id}-a"), format!("meshwork-{id}-b")];
        let segment = Self { names };
        let [a, b] = &segment.names;
        ip(&format!("netns add {a}"))?;
        ip(&format!("netns add {b}"))?;
        ip(&format!("link add mw0 netns {a} type veth peer name mw0 netns {b}"))?;
        for (host, name) in [(1, a), (2, b)] {
            ip(&format!("-n {name} addr add 10.78.0.{host}/24 dev mw0"))?;
            ip(&format!("-n {name} link set lo up"))?;
            ip(&format!("-n {name} link set mw0 up"))?;
        }
        Ok(segment)
    }
}

impl Drop for Segment {
    fn drop(&mut self) {
        for name in &self.names {
            ip(&format!("netns del {name}")).ok();
        }
    }
}

/// A node inside a namespace.
struct Host<'a> {
    namespace: &'a str,
    dir: TempDir,
    daemon: Child,
}

impl<'a> Host<'a> {
    fn up(namespace: &'a str) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let mut daemon = command(namespace, &dir)
            .args(["--json", "up", "--advertise", "/ip4/192.0.2.1/tcp/9"])
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let said = lines(daemon.stdout.take().unwrap());
        let host = Self { namespace, dir, daemon };
        let line = said.recv_timeout(PATIENCE).expect("the node says where it is");
        assert!(line.starts_with('{'), "the node in {namespace} does not start: {line}");
        host
    }

    fn run(&self, args: &[&str]) -> Output {
        command(self.namespace, &self.dir).args(args).output().unwrap()
    }

    fn ok(&self, args: &[&str]) -> String {
        let output = self.run(args);
        assert!(output.status.success(), "{args:?}: {output:?}");
        String::from_utf8(output.stdout).unwrap().trim_end().to_owned()
    }

    fn until(&self, args: &[&str], expected: &str) {
        let began = Instant::now();
        while String::from_utf8_lossy(&self.run(args).stdout).trim_end() != expected {
            assert!(began.elapsed() < PATIENCE, "{args:?} never says {expected}");
        }
    }
}

impl Drop for Host<'_> {
    fn drop(&mut self) {
        self.daemon.kill().ok();
        self.daemon.wait().ok();
    }
}

fn command(namespace: &str, dir: &TempDir) -> Command {
    let mut command = Command::new("ip");
    command
        .args(["netns", "exec", namespace, env!("CARGO_BIN_EXE_meshwork"), "--data-dir"])
        .arg(dir.path())
        .stdin(Stdio::null());
    command
}

#[test]
fn devices_on_one_segment_find_each_other_by_mdns_alone() {
    let segment = match Segment::lay() {
        Ok(segment) => segment,
        Err(why) => {
            eprintln!("skipped: this machine lays no network namespaces: {why}");
            return;
        }
    };
    let (a, b) = (Host::up(&segment.names[0]), Host::up(&segment.names[1]));
    a.ok(&["space", "create", "home"]);
    let ticket = a.ok(&["invite", "home"]);
    b.ok(&["join", &ticket]);
    a.ok(&["put", "home", "from-a", "hello"]);
    b.until(&["get", "home", "from-a"], "hello");
    b.ok(&["put", "home", "from-b", "hi", "--wait", "2"]);
    assert_eq!(a.ok(&["get", "home", "from-b"]), "hi");
}
