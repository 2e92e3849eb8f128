//! The embedding API, in one process, over real links and a real store.

use std::path::Path;
use std::sync::mpsc;
use std::time::{Duration, Instant};

use meshwork::{
    Action, Builder, FailureKind, Invitation, Kind, MemberView, Node, ObjectEdit, Passphrase, Put,
    Target, Update, Value,
};

const PATIENCE: Duration = Duration::from_secs(30);

fn builder(dir: &Path, name: &str) -> Builder {
    Node::builder()
        .data_dir(dir)
        .device_name(name)
        .listen(["/ip4/127.0.0.1/tcp/0".parse().unwrap()])
        .mdns(false)
}

async fn node(dir: &Path, name: &str) -> Node {
    builder(dir, name).start().await.unwrap()
}

fn named(name: &str, kind: Kind) -> ObjectEdit {
    let target = Target::Named { name: name.to_owned(), shape: kind.into() };
    ObjectEdit { target, action: Action::Create }
}

#[tokio::test]
async fn an_edit_is_acknowledged_by_the_other_device() {
    let dir = tempfile::tempdir().unwrap();
    let a = node(&dir.path().join("a"), "a").await;
    let b = node(&dir.path().join("b"), "b").await;
    let at_a = a.create_space("home").await.unwrap();
    let ticket = at_a.invite(Invitation::default()).await.unwrap();
    let at_b = b.join(&ticket, PATIENCE).await.unwrap();
    let receipt = at_a.put("greeting", Put::new("hello")).await.unwrap();
    let holders = at_a.wait_acked(&receipt, 2, PATIENCE).await.unwrap();
    assert!(holders.contains(&a.device()) && holders.contains(&b.device()));
    assert_eq!(at_b.value("greeting").await.unwrap(), Some(Value::from("hello")));
    assert_eq!(at_a.digest().await.unwrap(), at_b.digest().await.unwrap());
    a.shutdown().await.unwrap();
    b.shutdown().await.unwrap();
    assert_eq!(a.spaces().await.unwrap_err().kind, FailureKind::NotRunning);
}

#[tokio::test]
async fn a_slow_watcher_gets_a_fresh_snapshot() {
    let dir = tempfile::tempdir().unwrap();
    let a = node(dir.path(), "a").await;
    let space = a.create_space("home").await.unwrap();
    let mut watch = space.watch();
    assert!(
        matches!(watch.next().await.unwrap(), Some(Update::Snapshot(all)) if all.objects.is_empty())
    );
    space.put("first", Put::new(1)).await.unwrap();
    assert!(
        matches!(watch.next().await.unwrap(), Some(Update::Change(one)) if one.object.name == "first")
    );
    for round in 0..50 {
        let edits = (0..100).map(|n| named(&format!("{round}/{n}"), Kind::Register)).collect();
        space.edit(edits).await.unwrap();
    }
    let Some(Update::Snapshot(snapshot)) = watch.next().await.unwrap() else {
        panic!("a watcher that missed changes gets everything");
    };
    assert_eq!(snapshot.objects.len(), 5001);
    a.shutdown().await.unwrap();
    assert_eq!(watch.next().await.unwrap(), None);
}

#[tokio::test]
async fn who_is_present_is_seen_by_the_other_device_and_its_watchers() {
    let dir = tempfile::tempdir().unwrap();
    let a = node(&dir.path().join("a"), "a").await;
    let b = node(&dir.path().join("b"), "b").await;
    let at_a = a.create_space("home").await.unwrap();
    let ticket = at_a.invite(Invitation::default()).await.unwrap();
    let at_b = b.join(&ticket, PATIENCE).await.unwrap();
    // What members are called comes with the first entries.
    let began = Instant::now();
    let named = |member: &MemberView| member.device == a.device() && member.name == "a";
    while !at_b.members().await.unwrap().iter().any(named) {
        assert!(began.elapsed() < PATIENCE, "the name does not come");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    let mut watch = at_b.watch();
    let mut said = async |wanted: Option<&str>| loop {
        match watch.next().await.unwrap().expect("the node runs") {
            Update::Presence { device, name, value } if device == a.device() => {
                assert_eq!((name.as_str(), value), ("a", wanted.map(Value::from)));
                return;
            }
            _ => {}
        }
    };
    at_a.present("editing").await.unwrap();
    said(Some("editing")).await;
    let present = at_b.presences().await.unwrap();
    assert_eq!(present.len(), 1);
    assert_eq!((present[0].device, present[0].this_device), (a.device(), false));
    at_a.absent().await.unwrap();
    said(None).await;
    assert_eq!(at_b.presences().await.unwrap(), []);
    let long = at_a.present("x".repeat(5_000)).await.unwrap_err();
    assert_eq!(long.kind, FailureKind::Usage);
    a.shutdown().await.unwrap();
    b.shutdown().await.unwrap();
}

#[tokio::test]
async fn a_panic_while_looking_stays_with_the_one_who_looked() {
    let dir = tempfile::tempdir().unwrap();
    let a = node(dir.path(), "a").await;
    let space = a.create_space("home").await.unwrap();
    let object = space.put("x", Put::new(1)).await.unwrap().objects[0];
    let looking = space.clone();
    let looked = tokio::spawn(async move {
        looking.read(object, |_| panic!("the looker's own mistake")).await.map(|_: Option<()>| ())
    });
    assert!(looked.await.unwrap_err().is_panic());
    assert_eq!(space.value("x").await.unwrap(), Some(Value::Int(1)));
    a.shutdown().await.unwrap();
}

#[tokio::test]
async fn dropping_the_last_handle_stops_the_node() {
    let dir = tempfile::tempdir().unwrap();
    let a = node(dir.path(), "a").await;
    let mut events = a.subscribe();
    drop(a);
    assert_eq!(events.next().await, None);
}

#[tokio::test]
async fn a_program_gets_the_phrase_of_a_first_start_and_keeps_the_keys_sealed() {
    let dir = tempfile::tempdir().unwrap();
    let (phrases, told) = mpsc::channel();
    let passphrase = Passphrase::new("correct horse").unwrap();
    let sealed = builder(dir.path(), "a")
        .passphrase(passphrase.clone())
        .on_first_start(move |phrase| phrases.send(phrase.to_string()).unwrap());
    assert!(!format!("{sealed:?}").contains("correct"), "a builder can be logged");
    let a = sealed.clone().start().await.unwrap();
    let (device, member) = (a.device(), a.member());
    a.shutdown().await.unwrap();
    let a = sealed.start().await.unwrap();
    assert_eq!((a.device(), a.member()), (device, member));
    a.shutdown().await.unwrap();
    let told: Vec<String> = told.iter().collect();
    assert_eq!(told.len(), 1, "once, by the first start");
    assert_eq!(told[0].split(' ').count(), 24);

    let wrong = Passphrase::new("battery staple").unwrap();
    for failed in [builder(dir.path(), "a"), builder(dir.path(), "a").passphrase(wrong)] {
        assert_eq!(failed.start().await.unwrap_err().kind, FailureKind::Sealed);
    }
}
