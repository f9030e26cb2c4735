//! Sessions: few of them, renewed when they end.

use std::time::Duration;

use credwright_simulator::{Matching, Outcome};

use super::*;

/// Some sites limit the sessions of a user: each look once opened another one, and none was ended.
#[tokio::test]
async fn a_probe_opens_no_session_and_a_new_session_ends_the_one_before() -> Result<()> {
    let subject = start().await?;
    let look = async || subject.provider.probe().await.map_err(shown);
    for _ in 0..3 {
        look().await?;
    }
    assert_eq!(arrived(&subject, Operation::Token), 1);
    subject.faults().next(Operation::List, Fault::status(401));
    subject.provider.find("kw").await.map_err(shown)?;
    assert_eq!(arrived(&subject, Operation::Token), 2);
    let ended = (Operation::Other, Outcome::Answered(204));
    assert_eq!(subject.simulator.record().endings().get(&ended), Some(&1));
    subject.simulator.clock().advance(Duration::from_hours(1));
    look().await?;
    assert_eq!(arrived(&subject, Operation::Token), 3, "a session that has ended proves nothing");
    // After the versions, a server that knows no such page.
    subject.faults().after(Matching::any(), 1, Fault::status(404));
    look().await?;
    assert_eq!(arrived(&subject, Operation::Token), 4);
    Ok(())
}

#[tokio::test]
async fn a_driver_that_is_no_longer_used_ends_its_session() -> Result<()> {
    let subject = start().await?;
    subject.created().await?;
    for _ in 0..2 {
        subject.provider.close().await;
    }
    let ended = (Operation::Other, Outcome::Answered(204));
    assert_eq!(subject.simulator.record().endings().get(&ended), Some(&1), "once");
    subject.provider.find("kw").await.map_err(shown)?;
    assert_eq!(arrived(&subject, Operation::Token), 2, "a step that still uses it logs in again");
    Ok(())
}

#[tokio::test]
async fn a_session_may_end_between_the_two_steps() -> Result<()> {
    let subject = start().await?;
    let gate = subject.faults().gate_after(Operation::Create);
    let request = subject.request();
    let later = async {
        gate.wait_arrived().await;
        subject.simulator.clock().advance(Duration::from_hours(1));
        gate.release();
    };
    let (issued, ()) = tokio::join!(subject.provider.created(&request), later);
    let issued = issued.map_err(shown)?;
    assert_eq!(arrived(&subject, Operation::Exchange), 2, "refused, then made");
    let verdict = subject.provider.verify(&pair(&issued, &[])).await.map_err(shown)?;
    assert_eq!(verdict, Verdict::Accepted);
    Ok(())
}

/// RFC 7523 has a dead assertion answered by 400: that was once taken for a refusal of the request.
#[tokio::test]
async fn a_dead_session_may_be_answered_with_invalid_grant() -> Result<()> {
    let subject = start().await?;
    let dead = || status(400, r#"{"error":"invalid_grant"}"#);
    subject.faults().next(Operation::Exchange, dead());
    let issued = subject.created().await?;
    assert_eq!(arrived(&subject, Operation::Exchange), 2, "refused, then made");
    assert_eq!(arrived(&subject, Operation::Token), 2, "with a session of its own");
    assert_eq!(arrived(&subject, Operation::Create), 1, "of the same token");
    let verdict = subject.provider.verify(&pair(&issued, &[])).await.map_err(shown)?;
    assert_eq!(verdict, Verdict::Accepted);

    // Where that does not help, the token is deleted again, and the next attempt comes soon.
    let before = subject.live().await?.len();
    subject.faults().every(Operation::Exchange, dead());
    let failure = subject.refused().await?;
    assert_eq!(failure.kind, FailureKind::Unexplained, "{}", failure.message);
    assert_eq!(subject.live().await?.len(), before);
    Ok(())
}
