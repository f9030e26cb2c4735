use jiff::{SignedDuration, Timestamp};

use crate::lifecycle::holding::{Hold, Login, User, login};

const NOW: Timestamp = Timestamp::UNIX_EPOCH;

fn minutes(count: i64) -> SignedDuration {
    SignedDuration::from_mins(count)
}

/// In use, and nothing goes.
fn in_use() -> Login {
    Login {
        offered: true,
        terminating: None,
        namespace_going: false,
        users: vec![User { lives: true, ..User::default() }],
        revocation_deadline: minutes(10),
    }
}

fn deleted(ago: i64) -> Login {
    Login { terminating: Some(NOW - minutes(ago)), ..in_use() }
}

#[test]
fn a_deleted_login_stays_only_while_a_dependent_object_is_deleted_too() {
    let going = |deleting| vec![User { deleting, lives: true, going: true }];
    let with_namespace = |ago, users| Login { namespace_going: true, users, ..deleted(ago) };
    let rows = [
        ("in use", in_use(), Hold::Keep),
        ("nobody logs in with it", Login { users: Vec::new(), ..in_use() }, Hold::LetGo),
        ("its owner does not consent any more", Login { offered: false, ..in_use() }, Hold::LetGo),
        (
            "replaced, and something else may follow",
            deleted(0),
            Hold::Until(NOW + SignedDuration::from_secs(10)),
        ),
        ("replaced, while credentials live on", deleted(1), Hold::LetGo),
        ("an object goes too", Login { users: going(false), ..deleted(2) }, Hold::Until(NOW + minutes(9))),
        ("its provider goes too", Login { users: going(true), ..deleted(600) }, Hold::Keep),
        (
            "its provider goes, with nothing alive",
            Login { users: vec![User { deleting: true, ..User::default() }], ..deleted(0) },
            Hold::LetGo,
        ),
        ("its namespace goes", with_namespace(2, going(false)), Hold::Until(NOW + minutes(9))),
        ("its namespace goes, with credentials that stay", with_namespace(2, in_use().users), Hold::LetGo),
        ("its namespace has waited long enough", with_namespace(11, going(true)), Hold::LetGo),
        (
            "consent was withdrawn meanwhile",
            Login { offered: false, ..with_namespace(2, going(true)) },
            Hold::LetGo,
        ),
    ];
    for (what, world, expected) in rows {
        assert_eq!(login(&world, NOW), expected, "{what}");
    }
}
