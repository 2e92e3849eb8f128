use meshwork_crdt::{Crdt, LwwRegister};

#[derive(Crdt, Clone, Debug, Default, PartialEq)]
#[crdt(transparent)]
struct Todo {
    #[crdt(last_write_wins)]
    title: LwwRegister<String>,
    #[crdt(rename_all = "camelCase")]
    author: LwwRegister<String>,
    #[crdt(serde::rename = "x")]
    editor: LwwRegister<String>,
}

#[derive(Crdt, Clone, Debug, Default, PartialEq)]
#[crdt(rename_all = "SCREAMING_SNAKE_CASE")]
struct Loud {
    title: LwwRegister<String>,
}

fn main() {}
