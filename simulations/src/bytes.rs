//! Reads what the engine writes the way the wire and storage format pages describe it, without the engine's code.
//!
//! Rows and frames in → the parts that checks need: whose log, which numbers, under which key, which ciphertext.
//! What is not as described reads as nothing. Not here: what any of it means.

/// Bytes that are read from the front.
struct Reader<'a>(&'a [u8]);

impl<'a> Reader<'a> {
    fn take(&mut self, len: usize) -> Option<&'a [u8]> {
        let (taken, rest) = self.0.split_at_checked(len)?;
        self.0 = rest;
        Some(taken)
    }

    fn array<const N: usize>(&mut self) -> Option<[u8; N]> {
        self.take(N)?.try_into().ok()
    }

    fn varint(&mut self) -> Option<u64> {
        let mut number = 0;
        for shift in (0..64).step_by(7) {
            let [byte] = self.array()?;
            number |= u64::from(byte & 0x7f) << shift;
            if byte & 0x80 == 0 {
                return Some(number);
            }
        }
        None
    }

    fn bytes(&mut self) -> Option<&'a [u8]> {
        let len = self.varint()?;
        self.take(usize::try_from(len).ok()?)
    }

    fn present(&mut self) -> Option<bool> {
        self.array::<1>().map(|[flag]| flag == 1)
    }

    /// What is inside an envelope: version, kind, length, body.
    fn envelope(&mut self) -> Option<Self> {
        self.take(2)?;
        self.bytes().map(Self)
    }
}

/// The kind of a frame.
pub(crate) fn frame_kind(frame: &[u8]) -> Option<u8> {
    frame.get(1).copied()
}

/// A frame of a kind with this body.
pub(crate) fn frame(kind: u8, body: &[u8]) -> Vec<u8> {
    let mut bytes = vec![1, kind];
    varint(body.len() as u64, &mut bytes);
    bytes.extend_from_slice(body);
    bytes
}

/// Writes a number.
pub(crate) fn varint(mut number: u64, out: &mut Vec<u8>) {
    while number >= 0x80 {
        out.push((number & 0x7f) as u8 | 0x80);
        number >>= 7;
    }
    out.push(number as u8);
}

/// A frame that passes on somebody else's note of presence, changed so that it seems a million notes newer.
pub(crate) fn forged_note(bytes: &[u8], own: [u8; 32]) -> Option<Vec<u8>> {
    let body = Reader(bytes).envelope()?.0;
    let mut rest = Reader(body);
    let (_tag, _left_ms) = (rest.varint()?, rest.varint()?);
    let device: [u8; 32] = rest.array()?;
    rest.take(16)?;
    let (before, number) = (body.len() - rest.0.len(), rest.varint()?);
    let mut forged = body.get(..before)?.to_vec();
    varint(number.checked_add(1_000_000)?, &mut forged);
    forged.extend_from_slice(rest.0);
    (device != own).then(|| frame(frame_kind(bytes).unwrap_or(0), &forged))
}

/// Consecutive entries of one log.
pub(crate) struct Run<'a> {
    pub log: [u8; 16],
    /// Who writes the log, if the run starts it.
    pub writer: Option<[u8; 32]>,
    pub first: u64,
    /// For each entry the epoch it is sealed under, and its ciphertext.
    pub entries: Vec<([u8; 16], &'a [u8])>,
}

/// The run in a row of the store.
pub(crate) fn run_of_row(row: &[u8]) -> Option<Run<'_>> {
    let mut row = Reader(row).envelope()?;
    row.take(32)?;
    let mut run = Reader(row.bytes()?).envelope()?;
    let log = run.array()?;
    let writer = if run.present()? {
        let device = run.array()?;
        run.varint()?;
        Some(device)
    } else {
        None
    };
    let first = run.varint()?;
    let mut epoch = [0; 16];
    let mut entries = Vec::new();
    for _ in 0..run.varint()? {
        if run.present()? {
            epoch = run.array()?;
            run.take(8)?;
        }
        entries.push((epoch, run.bytes()?));
    }
    Some(Run { log, writer, first, entries })
}

/// The log of a row that says how far a log goes, and how far that is.
pub(crate) fn head_of_row(key: &[u8], row: &[u8]) -> Option<([u8; 16], u64)> {
    let log = key.get(17..)?.try_into().ok()?;
    let mut row = Reader(row).envelope()?;
    row.take(32)?;
    row.varint()?;
    Some((log, row.varint()?))
}

/// Who made an operation about members, and whether that is somebody who enters by it.
pub(crate) fn author_of_operation(row: &[u8]) -> Option<([u8; 32], bool)> {
    const JOIN: u64 = 2;
    const ADD_DEVICE: u64 = 5;
    let mut op = Reader(row).envelope()?;
    if op.present()? {
        op.take(32)?;
    }
    let author = op.array()?;
    for _ in 0..op.varint()? {
        op.take(32)?;
    }
    let body = op.varint()?;
    Some((author, body == JOIN || body == ADD_DEVICE))
}
