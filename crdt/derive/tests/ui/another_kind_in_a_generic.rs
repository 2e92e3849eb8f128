use meshwork_crdt::{Crdt, Datum, Described, LwwRegister};

#[derive(Crdt, Clone, Debug, Default, PartialEq)]
struct Page<T: Datum> {
    #[crdt(text)]
    title: LwwRegister<T>,
}

fn main() {
    println!("{}", Page::<String>::shape());
}
