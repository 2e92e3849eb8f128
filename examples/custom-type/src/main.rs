//! A data type of one's own, synchronised between two nodes.

use std::time::Duration;

use meshwork::{Invitation, Node};
use meshwork_crdt::types::maps::AwMap;
use meshwork_crdt::{AwSet, Crdt, LwwRegister, PnCounter, Record, Text};

#[derive(Crdt, Clone, Debug, Default, PartialEq)]
struct Recipe {
    title: LwwRegister<String>,
    method: Text,
    cooked: PnCounter,
    tags: AwSet<String>,
    #[crdt(rest)]
    rest: Record,
}

type Cookbook = AwMap<String, Recipe>;

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let dir = tempfile::tempdir()?;
    let start = |name: &str| {
        let here = "/ip4/127.0.0.1/tcp/0".parse().expect("an address of this machine");
        Node::builder()
            .data_dir(dir.path().join(name))
            .device_name(name)
            .listen([here])
            .mdns(false)
            .start()
    };
    let (laptop, phone) = (start("laptop").await?, start("phone").await?);
    let kitchen = laptop.create_space("kitchen").await?;
    let ticket = kitchen.invite(Invitation::default()).await?;
    let in_pocket = phone.join(&ticket, Duration::from_secs(30)).await?;

    let receipt = kitchen
        .edit_as("cookbook", |book: &Cookbook, change| {
            Ok(book.update(change, "soup".into(), |soup, change| Recipe {
                title: soup.title.set(change, "Lentil soup".into()),
                method: soup.method.insert(change, 0, "Boil.").expect("0 is a place"),
                tags: soup.tags.add(change, "quick".into()),
                ..Recipe::default()
            }))
        })
        .await?;
    kitchen.wait_acked(&receipt, 2, Duration::from_secs(30)).await?;

    let book: Cookbook = in_pocket.get_as("cookbook").await?.expect("it has arrived");
    let soup = book.get(&"soup".into()).expect("it is in the book");
    println!("{}: {}", soup.title.get().expect("it has a title"), soup.method);
    println!("{}", in_pocket.value("cookbook").await?.expect("it has arrived"));
    laptop.shutdown().await?;
    phone.shutdown().await?;
    Ok(())
}
