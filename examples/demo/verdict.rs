//! What was promised, and whether it was seen.

use crate::{ROTATIONS, stage::Actor};

#[derive(Default)]
pub(crate) struct Verdict(Vec<(bool, String)>);

impl Verdict {
    pub(crate) fn promise(&mut self, seen: bool, what: String) {
        self.0.push((seen, what));
    }

    pub(crate) fn holds(&self) -> bool {
        self.0.iter().all(|(seen, _)| *seen)
    }

    pub(crate) fn lines(&self) -> String {
        let line = |(seen, what): &(bool, String)| format!("{:<5}{what}\n", if *seen { "yes" } else { "NO" });
        self.0.iter().map(line).collect()
    }

    /// What the show was for.
    pub(crate) fn of_the_rotations(&mut self, actors: &[Actor]) {
        for actor in actors {
            let (name, story, seen) = (actor.name, &actor.story, &actor.now.seen);
            self.promise(
                story.rotations() >= ROTATIONS && seen.revisions.len() > ROTATIONS,
                format!(
                    "{name}: {} rotations, {ROTATIONS} promised; a token was got with {} revisions",
                    story.rotations(),
                    seen.revisions.len()
                ),
            );
            self.promise(
                seen.overlaps.len() >= ROTATIONS && seen.ends.len() >= ROTATIONS,
                format!(
                    "{name}: {} old pairs worked beside the new one, and {} were refused afterwards",
                    seen.overlaps.len(),
                    seen.ends.len()
                ),
            );
            let (held, listed) = (actor.now.held.len(), actor.now.listed.len());
            self.promise(
                actor.is_accounted_for(),
                format!(
                    "{name}: the provider holds {held}, the ledger lists {listed}, and they are the same"
                ),
            );
        }
        let asked: usize = actors.iter().map(|actor| actor.story.requested.len()).sum();
        self.promise(asked == 1, format!("one value of rotation.request rotated once ({asked})"));
    }

    /// A workload never notices anything.
    pub(crate) fn of_the_workload(&mut self, actor: &Actor) {
        let seen = &actor.now.seen;
        self.promise(
            seen.accepted > 0 && seen.refused == 0 && seen.unanswered == 0,
            format!(
                "{}: {} token requests with what the Secret held at the time were accepted, {} refused, {} not answered",
                actor.name, seen.accepted, seen.refused, seen.unanswered
            ),
        );
    }
}
