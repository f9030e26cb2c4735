//! The crash matrix: the operator is killed at every call that it makes, to Kubernetes or to the
//! provider, before and after the call takes effect. A new operator without any memory has to
//! finish the work, and no workload may be refused.
#![expect(
    clippy::unwrap_used,
    clippy::panic,
    clippy::disallowed_methods,
    reason = "tests fail by panicking, and run on real time outside"
)]

mod account;
mod case;
mod deposed;
#[path = "../conformance/front.rs"]
mod front;
mod matrix;
#[path = "../support/mod.rs"]
mod support;

use account::Kind;
use case::Story;
use matrix::{Doubles, sweep};

#[tokio::test(flavor = "multi_thread")]
async fn create_while_the_lease_is_lost() {
    deposed::sweep(Story::Create, Kind::Spreetail).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn rotation_while_the_lease_is_lost() {
    deposed::sweep(Story::Rotate, Kind::Spreetail).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn deletion_while_the_lease_is_lost() {
    deposed::sweep(Story::Delete, Kind::Spreetail).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn create_where_nothing_can_be_listed_while_the_lease_is_lost() {
    deposed::sweep(Story::Create, Kind::Registration).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn create() {
    sweep(Story::Create, Kind::Spreetail, Doubles::Every(1)).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn rotation_on_request() {
    sweep(Story::Rotate, Kind::Spreetail, Doubles::Every(2)).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn renewal_by_time() {
    sweep(Story::Renew, Kind::Spreetail, Doubles::Every(6)).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn change_of_the_spec() {
    sweep(Story::Edit, Kind::Spreetail, Doubles::Every(6)).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn deletion() {
    sweep(Story::Delete, Kind::Spreetail, Doubles::Every(3)).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn deletion_that_retains() {
    sweep(Story::Retain, Kind::Spreetail, Doubles::Every(3)).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn create_where_nothing_can_be_listed() {
    sweep(Story::Create, Kind::Registration, Doubles::Every(3)).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn rotation_where_nothing_can_be_listed() {
    sweep(Story::Rotate, Kind::Registration, Doubles::Every(4)).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn deletion_where_nothing_can_be_listed() {
    sweep(Story::Delete, Kind::Registration, Doubles::None).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn create_of_one_of_several_secrets() {
    sweep(Story::Create, Kind::AppRole, Doubles::None).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn rotation_of_one_of_several_secrets() {
    sweep(Story::Rotate, Kind::AppRole, Doubles::None).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn change_of_the_parameters() {
    sweep(Story::Edit, Kind::AppRole, Doubles::None).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn deletion_of_one_of_several_secrets() {
    sweep(Story::Delete, Kind::AppRole, Doubles::None).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn create_at_cloud_director() {
    sweep(Story::Create, Kind::CloudDirector, Doubles::Every(8)).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn rotation_at_cloud_director() {
    sweep(Story::Rotate, Kind::CloudDirector, Doubles::None).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn renewal_at_cloud_director() {
    sweep(Story::Renew, Kind::CloudDirector, Doubles::None).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn change_of_the_spec_at_cloud_director() {
    sweep(Story::Edit, Kind::CloudDirector, Doubles::None).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn deletion_at_cloud_director() {
    sweep(Story::Delete, Kind::CloudDirector, Doubles::None).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn deletion_that_retains_at_cloud_director() {
    sweep(Story::Retain, Kind::CloudDirector, Doubles::None).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn create_at_expereo() {
    sweep(Story::Create, Kind::Expereo, Doubles::Every(8)).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn rotation_at_expereo() {
    sweep(Story::Rotate, Kind::Expereo, Doubles::None).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn renewal_at_expereo() {
    sweep(Story::Renew, Kind::Expereo, Doubles::None).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn change_of_the_spec_at_expereo() {
    sweep(Story::Edit, Kind::Expereo, Doubles::None).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn deletion_at_expereo() {
    sweep(Story::Delete, Kind::Expereo, Doubles::None).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn deletion_that_retains_at_expereo() {
    sweep(Story::Retain, Kind::Expereo, Doubles::None).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn create_at_expereo_where_a_person_removes() {
    sweep(Story::Create, Kind::ExpereoWithoutListAndDelete, Doubles::None).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn rotation_at_expereo_where_a_person_removes() {
    sweep(Story::Rotate, Kind::ExpereoWithoutListAndDelete, Doubles::None).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn deletion_at_expereo_where_a_person_removes() {
    sweep(Story::Delete, Kind::ExpereoWithoutListAndDelete, Doubles::None).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn renewal_at_expereo_where_a_person_removes() {
    sweep(Story::Renew, Kind::ExpereoWithoutListAndDelete, Doubles::None).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn change_of_the_spec_at_expereo_where_a_person_removes() {
    sweep(Story::Edit, Kind::ExpereoWithoutListAndDelete, Doubles::None).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn deletion_that_retains_at_expereo_where_a_person_removes() {
    sweep(Story::Retain, Kind::ExpereoWithoutListAndDelete, Doubles::None).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn create_where_a_person_makes_it() {
    sweep(Story::Create, Kind::CloudConnexa, Doubles::Every(4)).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn rotation_where_a_person_makes_it() {
    sweep(Story::Rotate, Kind::CloudConnexa, Doubles::None).await;
}
