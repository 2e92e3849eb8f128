use meshwork_crdt::{Crdt, LwwRegister, Record};

#[derive(Crdt, Clone, Debug, Default, PartialEq)]
struct Todo {
    title: LwwRegister<String>,
    #[crdt(rest)]
    rest: Record,
    #[crdt(rest)]
    others: Record,
}

fn main() {}
