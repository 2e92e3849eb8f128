//! Proof that a device wrote two entries of one number: the headers of both branches from there on, each to an
//! entry that the device has signed.
//!
//! Two runs of one log in → [`ForkProof`], which anybody who knows the space can check. Only ciphertext hashes
//! travel, no content. Deliberately not here: what becomes of a forked log; a space's roster says so.

use serde::{Deserialize, Serialize};

use crate::entry::{self, Head, LogOpening, Signature, Under, VerifiedRun};
use crate::identity;
use crate::ids::{EntryHash, Pseudonym};
use crate::limits;

/// What of an entry its hash depends on, besides its place.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Header {
    /// Absent when it is that of the entry before it in the branch.
    pub under: Option<Under>,
    pub ciphertext: [u8; 32],
}

/// One way a log goes on.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct BranchProof {
    pub headers: Vec<Header>,
    /// Of the last of the entries.
    pub signature: Signature,
}

/// Two ways one log goes on after one entry.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct ForkProof {
    pub log: LogOpening,
    /// The last entry that both branches share.
    pub shared: Head,
    /// In the order of the hashes of their first entries.
    pub branches: [BranchProof; 2],
}

impl ForkProof {
    /// The proof that two runs of `log` go different ways, if they show where they part.
    pub(crate) fn between(
        space: Pseudonym,
        log: LogOpening,
        one: &VerifiedRun,
        other: &VerifiedRun,
    ) -> Option<Self> {
        let from = one.first().max(other.first());
        let to = one.head().seq.min(other.head().seq);
        let shared = (from.checked_sub(1)?..to).rev().find_map(|seq| {
            let hash = one.hash_at(seq)?;
            (other.hash_at(seq)? == hash).then_some(Head { seq, hash })
        })?;
        let mut branches = [one.branch_after(shared.seq)?, other.branch_after(shared.seq)?];
        branches.sort_by_key(|branch| branch.chain(space, log, shared).first().copied());
        let proof = Self { log, shared, branches };
        proof.proven(space).then_some(proof)
    }

    /// Whether both branches are the device's and differ from the first entry on.
    pub(crate) fn proven(&self, space: Pseudonym) -> bool {
        let [one, other] = &self.branches;
        let firsts = [one, other].map(|branch| {
            let within = branch.headers.len() <= limits::FORK_HEADERS_MAX
                && self.shared.seq.checked_add(branch.headers.len() as u64).is_some();
            let chain = if within { branch.chain(space, self.log, self.shared) } else { vec![] };
            let signed = chain.last().is_some_and(|head| {
                let message = entry::signed_message(*head);
                identity::verify(&self.log.device.0, &message, &branch.signature.bytes())
            });
            if signed { chain.first().copied() } else { None }
        });
        matches!(firsts, [Some(one), Some(other)] if one < other)
    }
}

impl BranchProof {
    /// The hashes of the branch's entries; empty if the first does not say what it is sealed under.
    pub(crate) fn chain(&self, space: Pseudonym, log: LogOpening, shared: Head) -> Vec<EntryHash> {
        let id = log.log(space);
        let (mut head, mut under, mut hashes) = (shared, None, Vec::new());
        for header in &self.headers {
            under = header.under.or(under);
            let Some(under) = under else { return Vec::new() };
            let seq = head.seq.saturating_add(1);
            let hash = entry::header_hash(space, id, seq, head.hash, under, &header.ciphertext);
            head = Head { seq, hash };
            hashes.push(hash);
        }
        hashes
    }
}
