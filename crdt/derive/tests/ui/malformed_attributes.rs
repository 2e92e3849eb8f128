use meshwork_crdt::{Crdt, LwwRegister};

#[derive(Crdt, Clone, Debug, Default, PartialEq)]
struct Todo {
    #[crdt(rename)]
    title: LwwRegister<String>,
    #[crdt(rename = 3)]
    author: LwwRegister<String>,
    #[crdt(rename = "")]
    editor: LwwRegister<String>,
    #[crdt(default)]
    reader: LwwRegister<String>,
    #[crdt(with = "not a path")]
    writer: LwwRegister<String>,
    #[crdt(rename = "one", rename = "two")]
    listener: LwwRegister<String>,
}

fn main() {}
