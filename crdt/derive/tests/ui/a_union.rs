use meshwork_crdt::Crdt;

#[derive(Crdt)]
union Either {
    one: u8,
    other: i8,
}

fn main() {}
