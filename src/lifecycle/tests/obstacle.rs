//! Obstacles that keep a pass from coming to rest are reported.

use super::{builders::*, table::*};
use crate::{
    api::{ConditionType, Reason},
    lifecycle::{
        obstacle::{self, Obstacle},
        status,
    },
};

fn refused() -> Obstacle {
    Obstacle::Refused { what: "creating the ledger".to_owned(), why: "exceeded quota".to_owned() }
}

#[test]
fn a_refusal_is_reported_at_once_and_any_other_error_if_it_persists() {
    let world = a_credential().world();
    let told = obstacle::rest(&world, &refused(), 1).unwrap();
    assert_eq!(told.reason, Reason::ApiServerRefused);
    assert!(told.message.contains("creating the ledger: exceeded quota"), "{}", told.message);
    assert!(told.in_full().contains("in the namespace prod"), "{}", told.in_full());
    let failed = Obstacle::Failed("writing the ledger: no answer".to_owned());
    assert_eq!(obstacle::rest(&world, &failed, 2), None, "it may be over by itself");
    assert_eq!(obstacle::rest(&world, &failed, 3).unwrap().reason, Reason::NoProgress);
}

#[test]
fn a_refusal_stalls_an_object_without_a_credential_and_takes_none_from_one_that_has_it() {
    let conditions = |scene: Scene| {
        let world = scene.world();
        let plan = obstacle::rest(&world, &refused(), 1).unwrap();
        let status = status::view(&world, world.subject.object.as_ref().unwrap(), &plan, noon());
        let shown =
            status.conditions.into_iter().map(|it| format!("{}={}: {}", it.type_, it.status, it.reason));
        (status.observed_generation, shown.collect::<Vec<_>>())
    };
    let (generation, new) = conditions(a_credential());
    assert_eq!(generation, Some(1), "it has been looked at");
    assert!(new.contains(&"Ready=False: ApiServerRefused".to_owned()), "{new:?}");
    assert!(new.contains(&"Stalled=True: ApiServerRefused".to_owned()), "{new:?}");
    let (_, published) = conditions(active());
    assert!(published.contains(&"Ready=True: ApiServerRefused".to_owned()), "{published:?}");
    assert!(
        published.iter().any(|it| it.starts_with(ConditionType::ActionRequired.as_str())),
        "{published:?}"
    );
}
