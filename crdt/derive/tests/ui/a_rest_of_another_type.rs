use meshwork_crdt::{AwSet, Crdt, LwwRegister};

#[derive(Crdt, Clone, Debug, Default, PartialEq)]
struct Todo {
    title: LwwRegister<String>,
    #[crdt(rest)]
    rest: AwSet<String>,
}

fn main() {}
