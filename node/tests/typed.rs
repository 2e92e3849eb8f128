//! Objects that one device knows as a Rust type and the other only as data.

use std::path::Path;
use std::time::Duration;

use meshwork::{Action, Edit, Invitation, Node, ObjectEdit, Put, Shape, Target, Value};
use meshwork_crdt::types::maps::AwMap;
use meshwork_crdt::types::tables::Table;
use meshwork_crdt::{AwSet, Crdt, Described, MvRegister, PnCounter, Record, Text};

const PATIENCE: Duration = Duration::from_secs(30);

#[derive(Crdt, Clone, Debug, Default, PartialEq)]
struct Page {
    title: MvRegister<String>,
    body: Text,
    stars: PnCounter,
    tags: AwSet<String>,
    #[crdt(rest)]
    rest: Record,
}

/// Sites by name, each a table of versions by language, each a document with text.
type Sites = AwMap<String, Table<String, Page>>;

async fn node(dir: &Path, name: &str) -> Node {
    Node::builder()
        .data_dir(dir.join(name))
        .device_name(name)
        .listen(["/ip4/127.0.0.1/tcp/0".parse().unwrap()])
        .mdns(false)
        .start()
        .await
        .unwrap()
}

fn words(place: &str, operation: &str, arguments: &[Value]) -> ObjectEdit {
    let Ok(place) = place.parse::<meshwork::Path>();
    let target = Target::Named { name: "sites".into(), shape: Sites::shape() };
    let edit = Edit::call(place.iter().cloned(), operation, arguments.to_vec());
    ObjectEdit { target, action: Action::Change(edit) }
}

#[tokio::test]
async fn a_type_of_depth_four_converges_between_a_device_that_knows_it_and_one_that_does_not() {
    let dir = tempfile::tempdir().unwrap();
    let (a, b) = (node(dir.path(), "a").await, node(dir.path(), "b").await);
    let at_a = a.create_space("home").await.unwrap();
    let ticket = at_a.invite(Invitation::default()).await.unwrap();
    let at_b = b.join(&ticket, PATIENCE).await.unwrap();

    let write = |text: &'static str| {
        move |sites: &Sites, change: &mut meshwork_crdt::Change| {
            Ok(sites.update(change, "home".into(), |site, change| {
                site.update(change, "front".into(), "en".into(), |page, change| Page {
                    title: page.title.set(change, text.into()),
                    body: page.body.insert(change, page.body.len(), text).unwrap(),
                    stars: page.stars.add(change, 1),
                    ..Page::default()
                })
            }))
        }
    };
    let receipt = at_a.edit_as::<Sites>("sites", write("One.")).await.unwrap();
    at_a.wait_acked(&receipt, 2, PATIENCE).await.unwrap();
    let place = "home/front/en";
    let shown = at_b.value("sites").await.unwrap().unwrap().to_string();
    assert!(shown.contains(r#""en":{"body":"One.","stars":1,"title":["One."]}"#), "{shown}");

    a.set_online(false).await;
    at_a.edit_as::<Sites>("sites", write(" Two.")).await.unwrap();
    at_b.edit(vec![
        words(&format!("{place}/body"), "splice", &[0.into(), 0.into(), "Zero. ".into()]),
        words(&format!("{place}/title"), "set", &["Start".into()]),
        words(&format!("{place}/stars"), "increment", &[5.into()]),
        words(&format!("{place}/reviewed"), "enable", &[]),
    ])
    .await
    .expect_err("nobody has declared what `reviewed` is");
    let receipt = at_b
        .edit(vec![
            words(&format!("{place}/body"), "splice", &[0.into(), 0.into(), "Zero. ".into()]),
            words(&format!("{place}/title"), "set", &["Start".into()]),
            words(&format!("{place}/stars"), "increment", &[5.into()]),
            words(place, "create", &["reviewed".into(), "flag".into()]),
            words(&format!("{place}/reviewed"), "enable", &[]),
        ])
        .await
        .unwrap();
    a.set_online(true).await;
    at_b.wait_acked(&receipt, 2, PATIENCE).await.unwrap();
    let receipt = at_a.put("done", Put::new(true)).await.unwrap();
    at_a.wait_acked(&receipt, 2, PATIENCE).await.unwrap();

    let sites: Sites = at_a.get_as("sites").await.unwrap().unwrap();
    let page = sites.get(&"home".into()).unwrap().cell(&"front".into(), "en").unwrap();
    assert_eq!(page.body.to_string(), "Zero. One. Two.");
    assert_eq!(page.title.values().count(), 2, "both titles are kept");
    assert_eq!(page.stars.total(), 7);
    assert_eq!(page.value_at(&["reviewed".into()]), Some(true.into()), "kept for newer programs");
    assert_eq!(at_a.value("sites").await.unwrap(), at_b.value("sites").await.unwrap());
    assert_eq!(at_a.digest().await.unwrap(), at_b.digest().await.unwrap());
    let shape: Shape = at_b.find("sites").await.unwrap().unwrap().shape;
    let page = "record{body: text, stars: counter, tags: set, title: mv-register}";
    assert_eq!(shape.to_string(), format!("map<table<{page}>>"));
}
