use meshwork_crdt::{Crdt, LwwRegister};

#[derive(Crdt)]
enum Either {
    One(LwwRegister<String>),
    Other,
}

fn main() {}
