//! The promises of the demo, and whether each was kept.

use crate::stage::Actor;

/// The promises for each credential, with the widths of their columns.
const COLUMNS: [(&str, usize); 5] =
    [("ROTATIONS", 12), ("TOKEN REQUESTS", 19), ("OLD PAIRS", 18), ("PROVIDER, LEDGER", 17), ("DELETED", 0)];

/// Something that was promised, and what was seen of it.
type Seen = (bool, String);

#[derive(Default)]
pub(crate) struct Verdict {
    rows: Vec<(String, Vec<Seen>)>,
    others: Vec<Seen>,
}

impl Verdict {
    pub(crate) fn promise(&mut self, seen: bool, what: String) {
        self.others.push((seen, what));
    }

    pub(crate) fn holds(&self) -> bool {
        let cells = self.rows.iter().flat_map(|(_, cells)| cells);
        self.rows.iter().all(|(_, cells)| cells.len() == COLUMNS.len())
            && cells.chain(&self.others).all(|(seen, _)| *seen)
    }

    /// A table with a row for each credential, and sentences below it. What was not seen has a
    /// mark.
    pub(crate) fn lines(&self) -> String {
        let row = |first: &str, name: &str, cells: &[String]| {
            let cells = cells.iter().zip(COLUMNS).map(|(cell, (_, width))| format!("{cell:<width$}"));
            let cells: String = cells.collect();
            format!("{first:<4}{name:<15}{}\n", cells.trim_end())
        };
        let word = |seen: bool| if seen { "yes" } else { "NO" };
        let mut text = row("", "", &COLUMNS.map(|(title, _)| title.to_owned()));
        for (name, cells) in &self.rows {
            let mark = |(seen, text): &Seen| if *seen { text.clone() } else { format!("NO: {text}") };
            let marked: Vec<String> = cells.iter().map(mark).collect();
            text.push_str(&row(word(cells.iter().all(|(seen, _)| *seen)), name, &marked));
        }
        for (seen, what) in &self.others {
            text.push_str(&format!("{:<5}{what}\n", word(*seen)));
        }
        text
    }

    /// Checks the rotations, while all objects exist.
    pub(crate) fn of_the_rotations(&mut self, actors: &[Actor], asked: &[usize]) {
        for actor in actors {
            let (story, seen, promised) = (&actor.story, &actor.now.seen, actor.promised());
            let rotations = story.rotations();
            let (overlaps, ends) = (seen.overlaps.len(), seen.ends.len());
            let (held, listed) = (actor.now.held.len(), actor.now.listed.len());
            self.rows.push((
                actor.name.clone(),
                vec![
                    (
                        rotations >= promised && seen.revisions.len() > promised,
                        format!("{rotations} (min. {promised})"),
                    ),
                    (overlaps >= promised && ends >= promised, format!("{overlaps} worked, {ends} ended")),
                    (actor.is_accounted_for(), format!("{held} held, {listed} listed")),
                ],
            ));
        }
        let once = (0..actors.len())
            .all(|index| actors[index].story.requested.len() == usize::from(asked.contains(&index)));
        self.promise(
            once,
            format!("{} values of rotation.request rotated once each, and no others", asked.len()),
        );
    }

    /// A workload never notices anything.
    pub(crate) fn of_the_workloads(&mut self, actors: &[Actor]) {
        for (actor, (_, cells)) in actors.iter().zip(&mut self.rows) {
            let seen = &actor.now.seen;
            let unanswered =
                if seen.unanswered == 0 { String::new() } else { format!(", {} lost", seen.unanswered) };
            let is_fine = seen.accepted > 0 && seen.refused == 0 && seen.unanswered == 0;
            cells.insert(1, (is_fine, format!("{} ok, {} refused{unanswered}", seen.accepted, seen.refused)));
        }
    }

    /// Checks a credential after the deletion of its object. `was_alive` says whether it worked
    /// until a person removed it, where only a person can.
    pub(crate) fn after_deletion(&mut self, index: usize, ended: Seen, was_alive: Option<bool>) {
        let (name, cells) = &mut self.rows[index];
        cells.push(ended);
        if let Some(was_alive) = was_alive {
            let what =
                format!("{name}: an Event named what a person had to remove, and until then it was alive");
            self.others.push((was_alive, what));
        }
    }
}
