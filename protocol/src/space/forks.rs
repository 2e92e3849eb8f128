//! Finding that a log has gone two ways, and saying so to everybody.

use super::Space;
use crate::entry::{SealedRun, VerifiedRun};
use crate::fork::ForkProof;
use crate::membership::OpBody;
use crate::rejection::Rejection;
use crate::turn::Turn;

impl Space {
    /// Takes a run that is said to contradict what is here.
    pub(crate) fn examine(&mut self, run: SealedRun, turn: &mut Turn<'_>) -> Result<(), Rejection> {
        let head = self.head(run.log);
        let Some(opening) = self.logs.get(&run.log).map(|log| log.opening) else { return Ok(()) };
        if run.first > head.seq {
            return Ok(());
        }
        let before = self.before(&run, head, turn)?;
        let run = run.verify(self.pseudonym, before, opening.device)?;
        turn.counters.signatures_verified += 1;
        self.fork_between(&run, turn);
        Ok(())
    }

    /// Proves to everybody that a run and what is here are two branches of one log, if they are and part before any
    /// fork that is proven: a log may have gone three ways.
    pub(super) fn fork_between(&mut self, run: &VerifiedRun, turn: &mut Turn<'_>) {
        let Some(log) = self.logs.get(&run.log()) else { return };
        let (opening, to) = (log.opening, log.head.seq.min(run.head().seq));
        let place = (opening.device, opening.incarnation);
        let proven = self.membership.roster().parted.get(&place).map_or(u64::MAX, |head| head.seq);
        let mut seq = run.first();
        while seq <= to {
            let Some(own) = self.stored_run(run.log(), seq, turn) else { return };
            if let Some(proof) = ForkProof::between(self.pseudonym, opening, &own, run) {
                if proof.shared.seq < proven {
                    self.operate(OpBody::Fork(Box::new(proof)), turn);
                }
                return;
            }
            seq = own.head().seq.saturating_add(1);
        }
    }
}
