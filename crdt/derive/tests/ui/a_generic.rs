use meshwork_crdt::{Crdt, Datum, Described, LwwRegister};

#[derive(Crdt, Clone, Debug, Default, PartialEq)]
struct Page<T: Datum> {
    #[crdt(lww)]
    title: LwwRegister<T>,
}

fn main() {
    assert_eq!(Page::<String>::shape().to_string(), "record{title: register}");
}
