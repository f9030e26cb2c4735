//! Worlds by state: `a_credential().issued(days(80)).published().deleting()`.

mod ledger;

use std::{collections::BTreeMap, sync::Arc};

use jiff::SignedDuration;

use super::table::*;
use crate::{
    api::{
        ApiCredential, ApiCredentialSpec, ApiCredentialStatus, CREDENTIAL_FINALIZER, CredentialStatus,
        DeletionPolicy, ProviderKind, ProviderRef, Reason, Rotation, SecretOutput,
    },
    lifecycle::{
        Budget, Standing,
        capability::{Capabilities, Creation, Expiry, List, LoginCheck, Parameter, Portal, Removal, Scopes},
        ledger::{
            Account, CredentialKind, Document, Found, Inheritance, Inherited, Intent, Parameters, Renamed,
            Request, Revision, State,
        },
        pattern::Pattern,
        plan::FoundCredential,
        render,
        world::{
            LedgerView, Memory, Operator, Pause, ProviderView, Rendered, Subject, TargetView, UsableProvider,
            World, previous_of,
        },
    },
};

/// A provider that can do everything.
pub(super) fn capabilities() -> Capabilities {
    Capabilities {
        title: "Acme".into(),
        place: "Acme".to_owned(),
        kind: CredentialKind::Client,
        creation: Creation::Api { timeout: seconds(40), list: Some(List { lag: seconds(30) }) },
        removal: Removal::Api,
        login: LoginCheck::Tried,
        verify: true,
        tells_elsewhere: false,
        expiry: Expiry::None,
        scopes: Scopes::Free,
        scopes_required: false,
        parameters: Vec::new(),
        subnets: true,
        name_max: 128,
        limits_per_credential: false,
        propagation: seconds(60),
        acceptances: 1,
        revocation_lag: SignedDuration::ZERO,
        max_alive: None,
    }
}

/// The parameter `role`, by which the provider lists.
pub(super) fn role() -> Parameter {
    Parameter {
        name: "role".into(),
        what: "the role whose secret IDs are made".into(),
        pattern: Pattern::default(),
        lists: true,
    }
}

/// The parameters of a credential: its role.
pub(super) fn reader() -> Parameters {
    [("role".to_owned(), "reader".to_owned())].into()
}

/// Takes the list away from a provider.
pub(super) fn unlisted(it: &mut Capabilities) {
    it.creation = Creation::Api { timeout: it.create_timeout(), list: None };
}

/// Lets a person remove the credentials of a provider.
pub(super) fn unrevocable(it: &mut Capabilities) {
    it.removal = Removal::Person;
}

/// Lets a person make the credentials of a provider.
pub(super) fn portal(it: &mut Capabilities) {
    it.creation = Creation::Person(Portal::default());
}

pub(super) fn account(name: &str) -> Account {
    let fingerprint = format!("fingerprint of {name}");
    Account { kind: ProviderKind::CredentialProvider, name: name.to_owned(), fingerprint }
}

/// The tag of an earlier object of this name.
pub(super) const OLD_TAG: &str = "kwabcdefghijkmnp";

/// Returns the common part of the names of `orders`.
pub(super) fn own_tag() -> String {
    crate::lifecycle::naming::tag("cluster-1", "prod", "orders", "uid-1")
}

/// A world in the making. What is said of "it" is said of the newest revision.
#[derive(Clone)]
pub(super) struct Scene {
    pub(super) object: ApiCredential,
    pub(super) document: Document,
    pub(super) world: World,
    has_ledger: bool,
    ledger_uid: String,
    ledger_held: bool,
    ledger_up_to_date: bool,
    ledger_deleted: bool,
    published: Vec<(String, u32)>,
}

/// `orders` in `prod`: at the provider `acme`, with one scope, for 90 days; nothing has been made
/// for it yet.
pub(super) fn a_credential() -> Scene {
    let mut object = ApiCredential::new("orders", spec());
    object.metadata.namespace = Some("prod".to_owned());
    object.metadata.uid = Some("uid-1".to_owned());
    object.metadata.generation = Some(1);
    object.metadata.finalizers = Some(vec![CREDENTIAL_FINALIZER.to_owned()]);
    let provider = ProviderView::Usable(Box::new(UsableProvider {
        fields: BTreeMap::new(),
        capabilities: Arc::new(capabilities()),
        fingerprint: account("acme").fingerprint,
        setup: "setup of acme".to_owned(),
        allow: None,
        paused: None,
        busy: None,
        standing: Standing::default(),
        budget: Budget::default(),
        listed: Default::default(),
        deleting: false,
    }));
    let world = World {
        subject: Subject {
            namespace: "prod".to_owned(),
            name: "orders".to_owned(),
            object: None,
            namespace_labels: None,
        },
        ledger: LedgerView::Absent,
        copy: None,
        strays: Vec::new(),
        targets: Vec::new(),
        intake: None,
        providers: BTreeMap::from([((ProviderKind::CredentialProvider, "acme".to_owned()), provider)]),
        uninstalling: false,
        minted_before: Vec::new(),
        memory: Memory::default(),
        operator: Operator {
            cluster_id: "cluster-1".to_owned(),
            writer: "writer-1".to_owned(),
            skew: SignedDuration::ZERO,
            started: noon(),
            revocation_deadline: minutes(10),
            egress: Arc::default(),
            entropy: 0x0123_4567_89ab_cdef_0123_4567_89ab_cdef,
        },
    };
    let mut document = Document::new("cluster-1", "uid-1", DeletionPolicy::Revoke);
    document.ledger_uid = Some("ledger-uid-1".to_owned());
    Scene {
        object,
        document,
        world,
        has_ledger: false,
        ledger_uid: "ledger-uid-1".to_owned(),
        ledger_held: true,
        ledger_up_to_date: true,
        ledger_deleted: false,
        published: Vec::new(),
    }
}

pub(super) fn spec() -> ApiCredentialSpec {
    ApiCredentialSpec {
        provider_ref: ProviderRef { kind: ProviderKind::CredentialProvider, name: "acme".to_owned() },
        scopes: vec!["read".to_owned()],
        lifetime: lasting("2160h"),
        ..ApiCredentialSpec::default()
    }
}

pub(super) fn revision(number: u32, state: State) -> Revision {
    let at = noon() - hours(1);
    let intent = Intent {
        writer: "writer-0".to_owned(),
        id: format!("intent-{number}"),
        at,
        call_by: at + seconds(20),
    };
    let reason = if number == 1 { Reason::FirstIssue } else { Reason::RenewalDue };
    let request = Request {
        name: "prod-orders".to_owned(),
        scopes: vec!["read".to_owned()],
        lifetime: lasting("2160h"),
        subnets: Vec::new(),
        rotation_request: None,
    };
    let name = format!("prod-orders-kwtag-{number}abcd");
    Revision { state, ..Revision::intended((number, name), (reason, request), intent, account("acme")) }
}

impl Scene {
    pub(super) fn with_spec(mut self, change: impl FnOnce(&mut ApiCredentialSpec)) -> Self {
        change(&mut self.object.spec);
        self
    }

    pub(super) fn with_rotation(self, change: impl FnOnce(&mut Rotation)) -> Self {
        self.with_spec(|spec| change(spec.rotation.get_or_insert_default()))
    }

    pub(super) fn with_secret(self, change: impl FnOnce(&mut SecretOutput)) -> Self {
        self.with_spec(|spec| change(spec.secret.get_or_insert_default()))
    }

    pub(super) fn and(mut self, change: impl FnOnce(&mut Self)) -> Self {
        change(&mut self);
        self
    }

    /// The Secret that the spec names holds it, exactly as the spec wants it.
    pub(super) fn published(mut self) -> Self {
        let name = self.object.spec.target_name("orders").to_owned();
        let number = self.it().revision;
        self.published.push((name, number));
        self
    }

    pub(super) fn published_in(mut self, name: &str) -> Self {
        let number = self.it().revision;
        self.published.push((name.to_owned(), number));
        self
    }

    /// No Secret holds anything.
    pub(super) fn forget_publications(&mut self) {
        self.published.clear();
        self.world.targets.clear();
    }

    /// The Secrets stay as they are now, whatever is said of the spec from here on.
    pub(super) fn frozen(mut self) -> Self {
        self.world.targets = self.clone().world().targets;
        self.published.clear();
        self
    }

    pub(super) fn with_target(mut self, change: impl FnOnce(&mut TargetView)) -> Self {
        let name = self.object.spec.target_name("orders").to_owned();
        let created_at = Some(noon() - days(100));
        let mut target = TargetView {
            name,
            ours: true,
            inherited: false,
            intact: None,
            immutable: false,
            terminating: false,
            created_at,
        };
        change(&mut target);
        self.world.targets.push(target);
        self
    }

    pub(super) fn status_says(mut self, revision: u32) -> Self {
        let status = self.object.status.get_or_insert_with(ApiCredentialStatus::default);
        status.revision = Some(revision);
        self
    }

    /// The same, and lists it.
    pub(super) fn status_lists(self, revision: u32, state: &str) -> Self {
        self.status_says(revision).and(|it| {
            it.object.status.as_mut().unwrap().credentials.push(CredentialStatus {
                revision,
                state: state.to_owned(),
                name: format!("prod-orders-{}-{revision}abcd", own_tag()),
                provider_ref: None,
                client_id: Some(format!("client-{revision}")),
                id: None,
                parameters: Default::default(),
                issued_at: Some(noon() - days(10)),
                expires_at: None,
                revoke_at: None,
                reason: Reason::FirstIssue,
            });
        })
    }

    pub(super) fn provider(mut self, change: impl FnOnce(&mut UsableProvider)) -> Self {
        if let Some(ProviderView::Usable(provider)) = self.world.providers.values_mut().next() {
            change(provider);
        }
        self
    }

    pub(super) fn capable(self, change: impl FnOnce(&mut Capabilities)) -> Self {
        self.provider(|provider| change(Arc::make_mut(&mut provider.capabilities)))
    }

    pub(super) fn paused(self) -> Self {
        let message = "the provider does not answer".to_owned();
        self.provider(|it| it.paused = Some(Pause { reason: Reason::ProviderUnavailable, message }))
    }

    pub(super) fn without_provider(mut self) -> Self {
        let message = "there is no such provider".to_owned();
        let view = ProviderView::Unusable { reason: Reason::ProviderMissing, message };
        self.world.providers.insert((ProviderKind::CredentialProvider, "acme".to_owned()), view);
        self
    }

    pub(super) fn verified(mut self) -> Self {
        self.world.memory.verified = Some(Tried::new(self.it().revision, noon()));
        self
    }

    pub(super) fn suspended(self) -> Self {
        self.with_spec(|spec| spec.suspend = true)
    }

    pub(super) fn deleting(mut self) -> Self {
        self.object.metadata.deletion_timestamp =
            Some(k8s_openapi::apimachinery::pkg::apis::meta::v1::Time(noon()));
        self
    }

    pub(super) fn deleting_for(mut self, long: SignedDuration) -> Self {
        self.object.metadata.deletion_timestamp =
            Some(k8s_openapi::apimachinery::pkg::apis::meta::v1::Time(noon() - long));
        self
    }

    pub(super) fn retained(self) -> Self {
        self.with_spec(|spec| spec.deletion_policy = DeletionPolicy::Retain)
    }

    /// The provider lists something that is in no ledger.
    pub(super) fn with_stray(mut self, tag: &str, number: u32) -> Self {
        let (name, client_id) = (format!("prod-orders-{tag}-{number}wxyz"), format!("stray-{number}"));
        let stray =
            FoundCredential { found: Found { name, client_id, ..Found::default() }, held_elsewhere: false };
        self.world.strays.push(stray);
        self
    }

    pub(super) fn unrecoverable(mut self) -> Self {
        self.world.memory.unrecoverable = Some(noon());
        self
    }

    pub(super) fn claimed(mut self) -> Self {
        let claim = (crate::api::CLAIM_ANNOTATION.to_owned(), "cluster-1".to_owned());
        self.object.metadata.annotations = Some([claim].into());
        self
    }

    pub(super) fn world(self) -> World {
        let document = &self.document;
        let output = self.object.spec.secret.as_ref();
        let mut world = self.world;
        for (name, number) in &self.published {
            let held = document.revision(*number).unwrap();
            let wanted = output.is_some_and(|output| output.include_previous);
            let previous = previous_of(document, *number).filter(|_| wanted);
            let intact = Some(Rendered { revision: *number, from: render::source(output, held, previous) });
            let created_at = Some(noon() - days(100));
            world.targets.push(TargetView {
                name: name.clone(),
                ours: true,
                inherited: false,
                intact,
                immutable: false,
                terminating: false,
                created_at,
            });
        }
        if self.has_ledger {
            let document = Arc::new(self.document);
            world.ledger = LedgerView::Present {
                owned: true,
                up_to_date: self.ledger_up_to_date,
                document,
                sealed: 0,
                uid: self.ledger_uid,
                held: self.ledger_held,
                terminating: self.ledger_deleted.then(noon),
            };
        }
        world.subject.object = Some(Arc::new(self.object));
        world
    }
}
