use meshwork_crdt::{Crdt, LwwRegister};

#[derive(Crdt, Clone, Debug, Default, PartialEq)]
struct Todo {
    #[crdt(nested)]
    title: LwwRegister<String>,
}

fn main() {}
