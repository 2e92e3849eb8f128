use meshwork_crdt::{AwSet, Crdt, LwwRegister, MvRegister, Record};

#[derive(Crdt, Clone, Debug, Default, PartialEq)]
struct Todo {
    #[crdt(lww)]
    title: MvRegister<String>,
    #[crdt(counter)]
    stars: LwwRegister<i64>,
    #[crdt(map)]
    more: Record,
    #[crdt(with = "never")]
    tags: AwSet<String>,
}

const fn never(_: &meshwork_crdt::About) -> bool {
    false
}

fn main() {}
