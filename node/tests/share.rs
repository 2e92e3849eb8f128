//! Shared folders between two nodes over real links, with real files.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use meshwork::{Invitation, Node, Space};

const PATIENCE: Duration = Duration::from_secs(30);

struct Side {
    node: Node,
    space: Space,
    dir: PathBuf,
}

impl Side {
    fn path(&self, name: &str) -> PathBuf {
        self.dir.join(name)
    }

    fn write(&self, name: &str, content: &str) {
        let path = self.path(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, content).unwrap();
    }

    fn read(&self, name: &str) -> Option<String> {
        fs::read_to_string(self.path(name)).ok()
    }

    /// Every file with its content.
    fn files(&self) -> BTreeMap<String, Vec<u8>> {
        let mut files = BTreeMap::new();
        let mut directories = vec![self.dir.clone()];
        while let Some(directory) = directories.pop() {
            for entry in fs::read_dir(directory).unwrap() {
                let path = entry.unwrap().path();
                if path.is_dir() {
                    directories.push(path);
                } else if let Ok(content) = fs::read(&path) {
                    let name = path.strip_prefix(&self.dir).unwrap();
                    files.insert(name.to_str().unwrap().to_owned(), content);
                }
            }
        }
        files
    }
}

async fn start(dir: &Path, name: &str) -> Node {
    Node::builder()
        .data_dir(dir.join(format!("{name}-data")))
        .device_name(name)
        .listen(["/ip4/127.0.0.1/tcp/0".parse().unwrap()])
        .mdns(false)
        .start()
        .await
        .unwrap()
}

/// Two nodes that share a folder each; `first` is in the first folder beforehand, `second` in the other.
async fn pair(dir: &Path, first: &[(&str, &str)], second: &[(&str, &str)]) -> (Side, Side) {
    let (a, b) = (start(dir, "a").await, start(dir, "b").await);
    let at_a = a.create_space("files").await.unwrap();
    let ticket = at_a.invite(Invitation::default()).await.unwrap();
    let at_b = b.join(&ticket, PATIENCE).await.unwrap();
    let mut sides = Vec::new();
    for (node, space, name, files) in [(a, at_a, "a", first), (b, at_b, "b", second)] {
        let side = Side { node, space, dir: dir.join(name) };
        fs::create_dir_all(&side.dir).unwrap();
        files.iter().for_each(|(name, content)| side.write(name, content));
        side.node.share(&side.space, &side.dir).await.unwrap();
        sides.push(side);
    }
    let second = sides.pop().unwrap();
    (sides.pop().unwrap(), second)
}

/// Waits until something is so; polls, since files tell nobody that they have changed.
async fn eventually(what: &str, condition: impl Fn() -> bool) {
    let began = Instant::now();
    while !condition() {
        assert!(began.elapsed() < PATIENCE, "in vain waited for: {what}");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

async fn same(a: &Side, b: &Side) {
    eventually("equal folders", || a.files() == b.files()).await;
    let began = Instant::now();
    while a.space.digest().await.unwrap() != b.space.digest().await.unwrap() {
        assert!(began.elapsed() < PATIENCE, "digests stay different");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_an_editor_saves_appears_on_the_other_side() {
    let dir = tempfile::tempdir().unwrap();
    let files = [("notes/todo.md", "- milk\n"), ("windows.txt", "one\r\ntwo"), ("empty", "")];
    let (a, b) = pair(dir.path(), &files, &[]).await;
    same(&a, &b).await;
    assert_eq!(b.read("notes/todo.md").as_deref(), Some("- milk\n"));
    b.write("notes/todo.md", "- milk\n- bread\n");
    eventually("the edit", || a.read("notes/todo.md").as_deref() == Some("- milk\n- bread\n"))
        .await;
    a.write("new.md", "hello");
    eventually("the new file", || b.read("new.md").as_deref() == Some("hello")).await;
    let replaced = a.path("swap");
    fs::write(&replaced, "by rename").unwrap();
    fs::rename(&replaced, a.path("new.md")).unwrap();
    eventually("the replaced file", || b.read("new.md").as_deref() == Some("by rename")).await;
    same(&a, &b).await;
    a.node.shutdown().await.unwrap();
    b.node.shutdown().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn offline_edits_of_one_file_merge_by_character() {
    let dir = tempfile::tempdir().unwrap();
    let (a, b) = pair(dir.path(), &[("a.md", "one\ntwo\nthree\n")], &[]).await;
    same(&a, &b).await;
    b.node.set_online(false).await;
    a.write("a.md", "zero\none\ntwo\nthree\n");
    b.write("a.md", "one\ntwo and a half\nthree\nfour\n");
    eventually("both edits to be taken in", || {
        let taken = |side: &Side| side.node.shares().status()[0].passes > 2;
        taken(&a) && taken(&b)
    })
    .await;
    b.node.set_online(true).await;
    let merged = "zero\none\ntwo and a half\nthree\nfour\n";
    eventually("the merged file", || {
        [&a, &b].iter().all(|side| side.read("a.md").as_deref() == Some(merged))
    })
    .await;
    same(&a, &b).await;
    a.node.shutdown().await.unwrap();
    b.node.shutdown().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn deletions_and_renames_do_what_people_expect() {
    let dir = tempfile::tempdir().unwrap();
    let files = [("gone.md", "bye"), ("deep/er/old.md", "keep me"), ("stay.md", "here")];
    let (a, b) = pair(dir.path(), &files, &[]).await;
    same(&a, &b).await;
    let objects = b.space.objects().await.unwrap();
    let renamed = objects.iter().find(|view| view.name == "deep/er/old.md").unwrap().id;
    fs::remove_file(a.path("gone.md")).unwrap();
    fs::rename(a.path("deep/er/old.md"), a.path("new.md")).unwrap();
    eventually("the deletion", || !b.path("gone.md").exists()).await;
    eventually("the rename", || b.read("new.md").as_deref() == Some("keep me")).await;
    eventually("the old directory to go", || !b.path("deep").exists()).await;
    let view = b.space.find("new.md").await.unwrap().unwrap();
    assert_eq!(view.id, renamed, "a renamed file is still the same object");
    b.write("new.md", "keep me, edited");
    eventually("the edit", || a.read("new.md").as_deref() == Some("keep me, edited")).await;
    fs::remove_dir(a.path("deep/er")).unwrap();
    fs::remove_dir(a.path("deep")).unwrap();
    same(&a, &b).await;
    a.node.shutdown().await.unwrap();
    b.node.shutdown().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn an_edit_elsewhere_survives_a_deletion_here() {
    let dir = tempfile::tempdir().unwrap();
    let (a, b) = pair(dir.path(), &[("a.md", "text")], &[]).await;
    same(&a, &b).await;
    b.node.set_online(false).await;
    fs::remove_file(a.path("a.md")).unwrap();
    eventually("the deletion to be taken in", || a.node.shares().status()[0].files == 0).await;
    b.write("a.md", "text, with work in it");
    let passes = b.node.shares().status()[0].passes;
    eventually("the edit to be taken in", || b.node.shares().status()[0].passes > passes).await;
    b.node.set_online(true).await;
    eventually("the file to come back", || {
        a.read("a.md").as_deref() == Some("text, with work in it")
    })
    .await;
    same(&a, &b).await;
    a.node.shutdown().await.unwrap();
    b.node.shutdown().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn binary_files_are_left_alone_and_named() {
    let dir = tempfile::tempdir().unwrap();
    let (a, b) = pair(dir.path(), &[("text.md", "x")], &[]).await;
    let picture = b"\x89PNG\r\n\x1a\n\0\0".to_vec();
    fs::write(a.path("picture.png"), &picture).unwrap();
    eventually("the report", || {
        let status = a.node.shares().status().remove(0);
        status.skipped.get("picture.png").is_some_and(|why| why.contains("not yet supported"))
    })
    .await;
    a.write("later.md", "after the picture");
    eventually("the text", || b.read("later.md").is_some()).await;
    assert!(!b.path("picture.png").exists());
    assert_eq!(fs::read(a.path("picture.png")).unwrap(), picture);
    a.node.shutdown().await.unwrap();
    b.node.shutdown().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn folders_that_differ_beforehand_keep_both_versions() {
    let dir = tempfile::tempdir().unwrap();
    let (a, b) = pair(
        dir.path(),
        &[("same", "equal"), ("a.md", "mine")],
        &[("same", "equal"), ("a.md", "yours")],
    )
    .await;
    same(&a, &b).await;
    let files = a.files();
    assert_eq!(files.len(), 3, "{files:?}");
    assert_eq!(files.get("same").map(Vec::as_slice), Some(b"equal".as_slice()));
    let mut versions: Vec<&[u8]> =
        files.iter().filter(|(name, _)| *name != "same").map(|(_, text)| text.as_slice()).collect();
    versions.sort_unstable();
    assert_eq!(versions, [b"mine".as_slice(), b"yours".as_slice()]);
    a.node.shutdown().await.unwrap();
    b.node.shutdown().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn edits_made_while_the_node_was_down_are_taken_in_when_it_starts() {
    let dir = tempfile::tempdir().unwrap();
    let (a, b) = pair(dir.path(), &[("a.md", "one\ntwo\n")], &[]).await;
    same(&a, &b).await;
    b.node.shutdown().await.unwrap();
    b.write("a.md", "one\ntwo\nthree\n");
    b.write("b.md", "new");
    a.write("a.md", "zero\none\ntwo\n");
    eventually("the edit to be taken in", || a.node.shares().status()[0].passes > 2).await;
    let node = start(dir.path(), "b").await;
    let space = node.resolve("files").await.unwrap();
    let b = Side { node, space, dir: b.dir };
    eventually("the merged file", || {
        a.read("a.md").as_deref() == Some("zero\none\ntwo\nthree\n") && a.read("b.md").is_some()
    })
    .await;
    same(&a, &b).await;
    a.node.shutdown().await.unwrap();
    b.node.shutdown().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_folder_that_vanishes_deletes_nothing_elsewhere() {
    let dir = tempfile::tempdir().unwrap();
    let (a, b) = pair(dir.path(), &[("a.md", "precious")], &[]).await;
    same(&a, &b).await;
    fs::rename(&a.dir, dir.path().join("elsewhere")).unwrap();
    fs::create_dir(&a.dir).unwrap();
    b.write("b.md", "meanwhile");
    eventually("the complaint", || a.node.shares().status()[0].error.is_some()).await;
    assert_eq!(b.read("a.md").as_deref(), Some("precious"));
    assert!(b.space.find("a.md").await.unwrap().is_some());
    assert_eq!(a.files().len(), 0);
    a.node.shutdown().await.unwrap();
    b.node.shutdown().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn many_edits_on_two_sides_end_in_equal_folders() {
    let dir = tempfile::tempdir().unwrap();
    let (a, b) = pair(dir.path(), &[], &[]).await;
    let mut seed = 7_u64;
    let mut pick = move |n: u64| {
        seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (seed >> 33) % n
    };
    for round in 0..120 {
        let side = if pick(2) == 0 { &a } else { &b };
        let name = format!("f{}.md", pick(5));
        match pick(10) {
            0 => drop(fs::remove_file(side.path(&name))),
            1 => drop(fs::rename(side.path(&name), side.path(&format!("f{}.md", pick(5))))),
            _ => {
                let mut text = side.read(&name).unwrap_or_default();
                let mut at = pick(text.len() as u64 + 1) as usize;
                while !text.is_char_boundary(at) {
                    at -= 1;
                }
                text.insert_str(at, &format!("<{round}>"));
                side.write(&name, &text);
            }
        }
        if round % 10 == 0 {
            let online = pick(2) == 0;
            b.node.set_online(online).await;
        }
    }
    b.node.set_online(true).await;
    same(&a, &b).await;
    a.node.shutdown().await.unwrap();
    b.node.shutdown().await.unwrap();
}
