//! Pruning at the end of a run, and what a plan says of it.

use tokio::sync::mpsc;

use super::decide::{Decision, Doomed};
use super::deleter::{Deleter, Deletion, Stopped, Way, Ways, overwritten};
use super::neighbours::Neighbours;
use super::place::{Decided, Registries, place_decide};
use super::settings::Prune;
use super::sights::{PlaceSights, Sights};
use crate::sync::course::{RunEnd, RunStop};
use crate::sync::kept::deletes::kept_deletes;
use crate::sync::kept::part::KeptPart;
use crate::sync::outcome::{Action, Status, TagOutcome};
use crate::sync::progress::{Event, Reporter};
use crate::text::counted;

/// The most tags of a repository that a plan looks at for its deletes.
const PLANNED_LOOKS: usize = 2000;

/// What pruning needs besides the sights.
pub(in crate::sync) struct Pruning<'a> {
    pub(in crate::sync) registries: Registries<'a>,
    pub(in crate::sync) rules: &'a Prune,
    pub(in crate::sync) ways: &'a Ways,
    pub(in crate::sync) halt: &'a RunStop,
    pub(in crate::sync) reporter: &'a Reporter,
}

impl Pruning<'_> {
    /// Decides on each place, and deletes.
    pub(in crate::sync) async fn run(&self, sights: Sights, end: &mut RunEnd) {
        for known in sights.into_places() {
            if self.ways.get() == Way::None {
                return;
            }
            let decided = place_decide(self.registries, self.rules, &known).await;
            self.delete(&known, decided, end).await;
        }
    }

    /// The same for a part of a kept plan: no other deletes than the plan's.
    pub(in crate::sync) async fn run_kept(
        &self,
        kept: &KeptPart,
        sights: Sights,
        end: &mut RunEnd,
    ) {
        let Some(source) = kept.actions.source() else {
            return;
        };
        for mut known in sights.into_places() {
            let planned = match kept.actions.deletes(&kept.place).await {
                Ok(planned) => planned,
                Err(error) => {
                    end.tell(kept.unread(error), self.reporter).await;
                    return;
                }
            };
            known.pinned = planned.pinned;
            let kept = kept_deletes(
                (planned.all, planned.made),
                self.rules,
                &known.place,
                source,
            )
            .await;
            for warning in kept.warnings {
                end.warn(warning, self.reporter).await;
            }
            known.trouble = known.trouble.or(kept.trouble);
            let mut decided = place_decide(self.registries, &kept.rules, &known).await;
            for doomed in &mut decided.decision.doomed {
                if let Some(reason) = kept.reasons.get(&doomed.written.tag) {
                    doomed.reason.clone_from(reason);
                }
            }
            self.delete(&known, decided, end).await;
        }
    }

    async fn delete(&self, known: &PlaceSights, decided: Decided, end: &mut RunEnd) {
        if self.place(known, decided, end).await.is_err() {
            end.cancelled |= self.halt.cancel.is_cancelled();
            end.drained |= self.halt.drain.is_cancelled();
        }
    }

    async fn place(
        &self,
        known: &PlaceSights,
        decided: Decided,
        end: &mut RunEnd,
    ) -> Result<(), Stopped> {
        let Decided { decision, present } = decided;
        let place = known.place.as_str();
        for tag in &decision.overwritten {
            end.warn(overwritten(place, tag), self.reporter).await;
        }
        if let Some(note) = decision.note(place) {
            self.reporter.send(Event::Note(note)).await;
        }
        if !decision.forgotten.is_empty() {
            let (place, tags) = (place.to_owned(), decision.forgotten.clone());
            self.reporter.send(Event::Forgotten { place, tags }).await;
        }
        if decision.bar.is_some() {
            for outcome in decision.outcomes(known) {
                end.tell(outcome, self.reporter).await;
            }
            return Ok(());
        }
        let (tell, mut told) = mpsc::unbounded_channel();
        let deleter = Deleter {
            target: self.registries.target,
            known,
            present: &present,
            ways: self.ways,
            halt: self.halt,
            parallel: self.registries.parallel,
            tell,
        };
        // Moved, so that the reports end with it.
        let work = async move { deleter.delete(decision.doomed).await };
        let report = async {
            while let Some(deletion) = told.recv().await {
                match deletion {
                    Deletion::Outcome(outcome) => end.tell(*outcome, self.reporter).await,
                    Deletion::Gone(tag) => {
                        let (place, tags) = (place.to_owned(), vec![tag]);
                        self.reporter.send(Event::Forgotten { place, tags }).await;
                    }
                    Deletion::Warning(text) => end.warn(text, self.reporter).await,
                }
            }
        };
        tokio::join!(work, report).0
    }
}

/// What a plan says of deletes.
#[derive(Default)]
pub(in crate::sync) struct DeletePlan {
    /// Blocked ones included.
    pub(in crate::sync) outcomes: Vec<TagOutcome>,
    pub(in crate::sync) warnings: Vec<String>,
    /// Requests that a run doesn't make.
    pub(in crate::sync) requests: u64,
}

/// The deletes of a plan.
pub(in crate::sync) async fn planned_deletes(
    registries: Registries<'_>,
    rules: &Prune,
    sights: Sights,
) -> DeletePlan {
    let target = registries.target;
    let mut planned = DeletePlan::default();
    for known in sights.into_places() {
        let decided = place_decide(registries, rules, &known).await;
        let before = target.requests();
        let held = held_told(registries, &known, &decided).await;
        planned.requests += target.requests().since(before).all;
        let decision = decided.decision;
        let place = known.place.as_str();
        let other = (decision.overwritten.iter()).map(|tag| overwritten(place, tag));
        let warnings = held.into_iter().chain(other).chain(decision.note(place));
        planned.warnings.extend(warnings);
        planned.outcomes.extend(decision.outcomes(&known));
    }
    planned
}

/// Warnings about tags that stay if the registry deletes by digest only.
async fn held_told(
    registries: Registries<'_>,
    known: &PlaceSights,
    decided: &Decided,
) -> Vec<String> {
    let target = registries.target;
    let (decision, present, place) = (&decided.decision, &decided.present, &known.place);
    if decision.bar.is_some() || decision.doomed.is_empty() {
        return Vec::new();
    }
    let unknown = |why: String| {
        format!("`{place}`: whether other tags need what would be deleted isn't checked: {why}")
    };
    if present.len() > PLANNED_LOOKS {
        return vec![unknown(format!("there are more than {PLANNED_LOOKS} tags"))];
    }
    let all = (present, &known.pinned);
    let neighbours =
        match Neighbours::look(target, &known.repository, all, registries.parallel).await {
            Ok(neighbours) => neighbours,
            Err(error) => return vec![unknown(error.to_string())],
        };
    let told = |(holder, tags): (String, Vec<String>)| {
        let (tags, host) = (tags.join("`, `"), target.host());
        format!("`{place}`: `{tags}` stays if `{host}` deletes only whole images, since {holder}")
    };
    let held = neighbours.held(&decision.doomed);
    held.into_iter().map(told).collect()
}

impl Decision {
    /// The outcomes if all goes well, or why all are blocked.
    fn outcomes(&self, known: &PlaceSights) -> Vec<TagOutcome> {
        let outcome = |doomed: &Doomed| match &self.bar {
            None => known.outcome(doomed),
            Some(bar) => known.blocked(doomed, bar),
        };
        self.doomed.iter().map(outcome).collect()
    }

    /// What stays although the rules would delete it, as text.
    fn note(&self, place: &str) -> Option<String> {
        let stays = [
            (self.protected, "protected by `prune_protect_regex`"),
            (self.retained, "kept by `prune_retain`"),
            (self.shared, "needed by another project too"),
        ];
        let parts: Vec<String> = stays
            .into_iter()
            .filter(|(count, _)| *count > 0)
            .map(|(count, why)| format!("{count} {why}"))
            .collect();
        let all = (self.protected + self.retained + self.shared) as u64;
        (!parts.is_empty()).then(|| {
            let stay = if all == 1 { "stays" } else { "stay" };
            format!(
                "`{place}`: {} {stay}: {}",
                counted(all, "tag"),
                parts.join(", ")
            )
        })
    }
}

impl PlaceSights {
    /// The outcome of a delete that something forbids.
    pub(super) fn blocked(&self, doomed: &Doomed, why: &str) -> TagOutcome {
        TagOutcome {
            status: Status::Blocked,
            reason: format!("{}; not deleted: {why}", doomed.reason),
            ..self.outcome(doomed)
        }
    }

    /// The outcome of a delete.
    pub(super) fn outcome(&self, doomed: &Doomed) -> TagOutcome {
        let written = &doomed.written;
        TagOutcome {
            repository: self.item_repository(&written.source),
            tag: written.source_tag.clone(),
            source: format!("{}:{}", written.source, written.source_tag),
            target: format!("{}:{}", self.place, written.tag),
            target_repository: self.repository.to_string(),
            target_tag: written.tag.clone(),
            previous_digest: Some(written.digest.clone()),
            ..TagOutcome::new(Action::Delete, Status::Done, doomed.reason.clone())
        }
    }

    /// The source repository as its item names it; without an item, its path.
    fn item_repository(&self, source: &str) -> String {
        let path = || source.split_once('/').map_or(source, |(_, path)| path);
        let mut looks = self.looks.iter();
        let item = looks.find(|look| look.source == source);
        item.map_or_else(path, |look| look.repository.as_str())
            .to_owned()
    }
}
