use meshwork_crdt::{Crdt, LwwRegister, Record};

#[derive(Crdt, Clone, Debug, Default, PartialEq)]
struct Todo {
    #[crdt(lww, mv)]
    title: LwwRegister<String>,
    #[crdt(skip, rename = "local")]
    selected: bool,
    #[crdt(skip, rest)]
    rest: Record,
    #[crdt(rest, lww)]
    others: Record,
}

fn main() {}
