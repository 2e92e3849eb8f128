use meshwork_crdt::{Crdt, LwwRegister};

#[derive(Crdt)]
struct Pair(LwwRegister<String>, LwwRegister<String>);

#[derive(Crdt)]
struct Nothing;

fn main() {}
