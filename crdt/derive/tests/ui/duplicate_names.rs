use meshwork_crdt::{Crdt, LwwRegister};

#[derive(Crdt, Clone, Debug, Default, PartialEq)]
#[crdt(rename_all = "camelCase")]
struct Todo {
    due_date: LwwRegister<String>,
    #[crdt(rename = "dueDate")]
    deadline: LwwRegister<String>,
}

fn main() {}
